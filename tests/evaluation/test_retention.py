"""A task that stayed as it was is proven to be, and whatever happened to one is found and told."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from lfsgan_cli.evaluation.retention import (
    RECORDED_NOW,
    Verdict,
    check,
    check_all,
    names,
    save_verdicts,
)
from lfsgan_cli.evaluation.retention_record import ARITHMETIC, digest
from lfsgan_cli.generation.output import text_of
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.networks.generator import Synthesis
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.base_file import read_summary
from lfsgan_cli.workspace.paths import UnknownTaskError
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import Program

ROOT = Path("lfsgan_workspace")
BASE = ROOT / "base.safetensors"
CATS = ROOT / "tasks/cats.safetensors"
RECORD = ROOT / "tasks/cats/retention.json"
SEEDS = range(8)
PICTURES = [ROOT / f"tasks/cats/retention/seed{seed:04}.png" for seed in SEEDS]
CPU = torch.device("cpu")
UNCHANGED = Verdict(base=True, task=True, pictures="equal", largest_difference=0, compared=len(SEEDS), why="")

pytestmark = pytest.mark.usefixtures("learned")  # its folder is the current one


def verdict() -> Verdict:
    return check(Workspace(ROOT), "cats", CPU)


def recorded() -> Any:
    return json.loads(RECORD.read_text())


def rewrite(**changes: object) -> None:
    RECORD.write_text(json.dumps({**recorded(), **changes}))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def brighten(seed: int, levels: int) -> Any:
    """The recorded image made brighter, or darker where it is white: its new pixels."""
    pixels = np.asarray(Image.open(PICTURES[seed])).astype(np.int16)
    changed = np.where(pixels + levels <= 255, pixels + levels, pixels - levels).astype(np.uint8)
    Image.fromarray(changed).save(PICTURES[seed])
    return changed


def test_learning_records_who_the_task_is_and_what_it_generates() -> None:
    document = recorded()
    assert document["base"] == read_summary(BASE).identity
    assert document["task_sha256"] == read_header(CATS).metadata["modelspec.hash_sha256"].removeprefix("0x")
    assert (document["truncation"], document["noise"], document["precision"]) == (1, "seed", "fp32")
    assert (document["torch"], document["threads"]) == (torch.__version__, torch.get_num_threads())
    assert list(document["pictures"]) == [str(seed) for seed in SEEDS]
    assert json.loads(text_of(PICTURES[3])["lfsgan"])["seed"] == 3


def test_recorded_images_are_those_that_generate_generates(learned: "Program") -> None:
    learned.done("generate", "--task", "cats", "--seeds", "0-7")
    for seed in SEEDS:
        drawn, kept = Image.open(f"out/cats/seed{seed:04}.png"), Image.open(PICTURES[seed])
        difference = np.asarray(drawn).astype(int) - np.asarray(kept)
        assert np.abs(difference).max() <= 1  # what another batch size may do


def test_a_second_task_leaves_the_first_as_it_was(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs", "--adapter", "cam")
    assert check_all(Workspace(ROOT), ["cats", "dogs"], CPU) == {"cats": UNCHANGED, "dogs": UNCHANGED}
    assert UNCHANGED.retained


def test_verdicts_are_kept_in_the_workspace() -> None:
    save_verdicts(Workspace(ROOT), check_all(Workspace(ROOT), ["cats"], CPU))
    document = json.loads((ROOT / "retention.json").read_text())
    assert document["checked"] >= recorded()["recorded"]
    assert document["tasks"]["cats"] == {
        "base": True, "task": True, "pictures": "equal", "largest_difference": 0, "compared": 8, "why": "",
        "retained": True,
    }  # fmt: skip


def test_recording_twice_gives_the_same_bytes_but_for_the_time() -> None:
    before, pictures = recorded(), [path.read_bytes() for path in PICTURES]
    shutil.rmtree(RECORD.parent)
    assert verdict().why == RECORDED_NOW
    assert {**recorded(), "recorded": before["recorded"]} == before
    assert [path.read_bytes() for path in PICTURES] == pictures


def test_a_task_whose_file_came_alone_is_recorded_and_compared_from_then_on() -> None:
    shutil.rmtree(RECORD.parent)
    first = verdict()
    assert (first.why, first.compared, first.retained) == (RECORDED_NOW, 0, True)
    assert verdict() == UNCHANGED


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 1.0])
def test_one_changed_byte_of_the_task_is_caught_wherever_it_is(share: float) -> None:
    flip(CATS, int(share * (CATS.stat().st_size - 1)))
    found = verdict()
    assert (found.base, found.task, found.retained) == (True, False, False)
    assert str(CATS) in found.why


def test_a_change_of_the_header_alone_is_caught_though_nothing_else_differs() -> None:
    tensors, metadata = safetensors.read(CATS)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    safetensors.write(CATS, tensors, {**metadata, "modelspec.title": "bats"})
    found = verdict()
    assert (found.task, found.pictures, found.retained) == (False, "equal", False)
    assert "the header of " in found.why


def test_a_task_replaced_by_another_is_caught_and_its_images_differ(learned: "Program") -> None:
    learned.learn("other", "--images", "dogs", "-o", "rank=1", "--lr", 0.1)
    CATS.write_bytes((ROOT / "tasks/other.safetensors").read_bytes())
    found = verdict()
    assert (found.base, found.task, found.pictures, found.compared) == (True, False, "differ", 8)
    assert found.largest_difference > 2
    assert "are not those that were recorded; other images are generated (seeds 0, 1, " in found.why


def test_a_lost_task_is_a_verdict_and_not_overlooked(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    CATS.unlink()
    assert names(Workspace(ROOT)) == ["cats", "dogs"]
    verdicts = check_all(Workspace(ROOT), names(Workspace(ROOT)), CPU)
    assert (verdicts["cats"].task, verdicts["cats"].retained, verdicts["dogs"].retained) == (False, False, True)
    assert "there is no such file" in verdicts["cats"].why


def test_a_replaced_base_is_caught(learned: "Program") -> None:
    small = ("--resolution", 16, "--channels", 16, "--kimg", 0, "--workspace", "other")
    learned.done("pretrain", "--data", "dogs", *small)
    BASE.write_bytes(Path("other/base.safetensors").read_bytes())
    found = verdict()
    assert (found.base, found.task, found.retained, found.compared) == (False, True, False, 0)
    assert f"the base is {read_summary(BASE).identity[:12]}… now" in found.why


def test_a_damaged_base_is_a_verdict_of_every_task(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs")
    flip(BASE, BASE.stat().st_size // 2)
    for found in check_all(Workspace(ROOT), ["cats", "dogs"], CPU).values():
        assert (found.base, found.task, found.pictures) == (False, True, "differ")
        assert found.why.count("its tensors are not the ones that were saved") == 1


def test_what_is_on_disk_is_checked_and_not_what_was_read_before() -> None:
    workspace = Workspace(ROOT)
    assert workspace.base.name
    flip(BASE, BASE.stat().st_size // 2)
    assert not check_all(workspace, ["cats"], CPU)["cats"].base


def test_an_altered_recorded_image_is_told_by_its_seed_and_levels() -> None:
    brighten(5, 7)
    found = verdict()
    assert (found.base, found.task, found.pictures, found.retained) == (True, True, "differ", False)
    assert (found.largest_difference, found.compared) == (7, 8)
    assert found.why == "the record's own images are changed or gone (seeds 5)"


def test_a_lost_or_torn_recorded_image_is_no_proof() -> None:
    PICTURES[0].unlink()
    PICTURES[2].write_bytes(PICTURES[2].read_bytes()[:60])
    found = verdict()
    assert (found.pictures, found.compared, found.retained) == ("differ", 6, False)
    assert "(seeds 0, 2)" in found.why


def test_images_of_the_same_machine_must_be_equal_to_the_bit() -> None:
    rewrite(pictures={**recorded()["pictures"], "4": digest(brighten(4, 1))})
    found = verdict()
    assert (found.pictures, found.largest_difference, found.retained) == ("differ", 1, False)
    assert found.why == "other images are generated (seeds 4)"


@pytest.mark.parametrize(
    ("key", "value", "outcome", "words"),
    [
        ("torch", "2.11.0", "other machine", f"torch was 2.11.0, is {torch.__version__}"),
        ("threads", 64, "other thread count", "threads was 64, is 1"),
        ("precision", "tf32", "other machine", "precision was tf32, is fp32"),
        ("device", "cuda (H200)", "other machine", "device was cuda (H200), is cpu ("),
    ],
)
def test_elsewhere_recorded_images_are_compared_by_levels(key: str, value: object, outcome: str, words: str) -> None:
    rewrite(**{key: value})
    found = verdict()
    assert (found.pictures, found.largest_difference, found.compared) == (outcome, 0, 8)
    assert found.retained
    assert words in found.why


def test_a_record_from_before_the_program_computed_otherwise_is_compared_by_levels() -> None:
    older = {**recorded(), "arithmetic": 1}
    RECORD.write_text(json.dumps({**older, "pictures": {**older["pictures"], "4": digest(brighten(4, 1))}}))
    found = verdict()
    assert (found.pictures, found.largest_difference, found.retained) == ("other machine", 1, True)
    assert f"arithmetic was 1, is {ARITHMETIC}" in found.why


@pytest.mark.parametrize(("levels", "retained"), [(2, True), (3, False)])
def test_another_machine_may_move_a_pixel_by_two_levels(levels: int, retained: bool) -> None:
    pictures = {**recorded()["pictures"], "4": digest(brighten(4, levels))}
    rewrite(torch="2.11.0", pictures=pictures)
    found = verdict()
    assert (found.pictures, found.largest_difference, found.retained) == ("other machine", levels, retained)


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"base": 3}', "[" * 100_000, "\0\x80"])
def test_a_damaged_record_is_a_verdict(damage: str) -> None:
    RECORD.write_bytes(damage.encode("latin-1"))
    found = verdict()
    assert not found.retained
    assert f"cannot compare with {str(RECORD)!r}" in found.why
    assert "remove it to have the task recorded anew" in found.why


@pytest.mark.parametrize("change", [{"truncation": 0.5}, {"batch": 4}, {"pictures": {}}, {"threads": "many"}])
def test_a_record_generated_in_another_way_is_not_compared(change: dict[str, object]) -> None:
    rewrite(**change)
    assert "another version of lfsgan made it" in verdict().why


def test_a_task_that_is_damaged_before_it_was_recorded_is_no_crash() -> None:
    shutil.rmtree(RECORD.parent)
    flip(CATS, CATS.stat().st_size - 1)
    found = verdict()
    assert not found.retained
    assert "its tensors are not the ones that were saved" in found.why
    assert not RECORD.exists()


def test_an_unknown_task_is_refused_before_any_work() -> None:
    shutil.rmtree(RECORD.parent)
    with pytest.raises(UnknownTaskError):
        check_all(Workspace(ROOT), ["cats", "cast"], CPU)
    assert not RECORD.exists()
    assert not (ROOT / "retention.json").exists()


def test_a_run_that_is_begun_anew_forgets_the_record_of_the_task_it_replaces(learned: "Program") -> None:
    before = recorded()
    learned.learn("cats", "--overwrite", "--seed", 1)
    assert recorded()["task_sha256"] != before["task_sha256"]
    assert verdict() == UNCHANGED


def test_images_are_compared_in_full_precision_by_repeatable_algorithms(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, seen = torch.backends.cudnn, []
    monkeypatch.setattr(backend, "allow_tf32", True)
    monkeypatch.setattr(backend, "benchmark", True)

    def look(module: torch.nn.Module, _inputs: object) -> None:
        if isinstance(module, Synthesis):
            seen.append((backend.deterministic, backend.benchmark, backend.allow_tf32))

    watch = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        assert verdict() == UNCHANGED
    finally:
        watch.remove()
    assert set(seen) == {(True, False, False)}
    assert (backend.deterministic, backend.benchmark, backend.allow_tf32) == (False, True, True)


@pytest.mark.gpu
def test_a_record_of_the_cpu_holds_on_a_cuda_device() -> None:
    found = check(Workspace(ROOT), "cats", torch.device("cuda"))
    assert (found.pictures, found.retained) == ("other machine", True)


def test_no_task_file_was_touched() -> None:
    before = CATS.read_bytes()
    verdict()
    assert CATS.read_bytes() == before
    assert task_file.read_info(CATS).name == "cats"
