"""A task of the public LFS-GAN code generates here what it generates there, and goes back as it came."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lfsgan_adapters.left import LeFT
from safetensors.torch import load_file
from torch import Tensor
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.checkpoints import lfsgan
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.workspace.task_file import TaskFile, read_info
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import GOLDEN

TASK = GOLDEN / "lfsgan_task.pt"
TOLERANCE = 1e-4  # asked for in fp32
MIXED_LAYERS = 3  # images_mixed: the first three latents from z, the others from z2


def official(path: Path = TASK) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)["g_ema"]
    return tensors


@pytest.fixture(scope="module")
def outputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "lfsgan_task_outputs.safetensors")


@pytest.fixture
def home(reference_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the base that the reference task was learned on."""
    root = tmp_path / "workspace"
    shutil.copytree(reference_workspace, root)
    monkeypatch.setenv("LFSGAN_WORKSPACE", str(root))
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, (result.stderr, result.exception)
    return result


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.exception
    return result.stderr


def imported(home: Path, *options: str) -> Generator:
    done("tasks", "import", TASK, "--name", "cats", "--device", "cpu", *options)
    return Workspace(home).generator("cats", torch.device("cpu"))


def published(path: Path, tensors: dict[str, Tensor]) -> Path:
    lfsgan.write(path, tensors)
    return path


def random_task(home: Path, config: LeFT.Config) -> dict[str, Tensor]:
    """A task of any rank on the reference base, under the public names, with no tensor at its start."""
    base = Workspace(home).base.average
    ours, rng = LeFT(base, config).tensors(), torch.Generator().manual_seed(0)
    table = LeFT.published_names(base.config, LeFT.Config(gates="hard", crossed=False))
    return {name: torch.randn(ours[own].shape, generator=rng) for name, own in table.items() if own in ours}


def furthest(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max())


def test_images_are_the_reference_with_and_without_truncation(home: Path, outputs: dict[str, Tensor]) -> None:
    generator = imported(home)
    assert furthest(generator.mapping(outputs["z"]), outputs["w"]) < TOLERANCE
    assert furthest(generator(outputs["z"]), outputs["images"]) < TOLERANCE
    generator.w_mean = outputs["mean_latent"][0]
    assert furthest(generator(outputs["z"], truncation=0.7), outputs["images_trunc07"]) < TOLERANCE


def test_style_mixing_is_the_reference(home: Path, outputs: dict[str, Tensor]) -> None:
    generator = imported(home)
    first, second = (generator.spread(generator.mapping(outputs[name][:2])) for name in ("z", "z2"))
    images = generator.synthesis(torch.cat([first[:, :MIXED_LAYERS], second[:, MIXED_LAYERS:]], 1))
    assert furthest(images, outputs["images_mixed"]) < TOLERANCE


def test_without_its_activation_it_generates_what_the_reference_generates_without(
    home: Path, outputs: dict[str, Tensor]
) -> None:
    generator = imported(home, "--no-activation")
    assert furthest(generator(outputs["z"][:2]), outputs["images_act_off"]) < TOLERANCE
    assert furthest(outputs["images"][:2], outputs["images_act_off"]) > 100 * TOLERANCE


def test_its_mean_w_is_its_own(home: Path, outputs: dict[str, Tensor]) -> None:
    generator = imported(home)
    # Two samples of a mean, of 10,000 and of 4,096 latents, are nearer to each other than to the base's.
    base = Workspace(home).base.average
    own, reference = generator.w_mean, outputs["mean_latent"][0]
    assert furthest(own, reference) < furthest(base.w_mean, reference) / 4


def test_exported_again_it_is_equal_tensor_for_tensor(home: Path, tmp_path: Path) -> None:
    imported(home)
    done("tasks", "export", "cats", tmp_path / "again.pt")
    there, again = official(), official(tmp_path / "again.pt")
    assert list(again) == list(there)  # in that code's order too
    assert all(torch.equal(again[name], tensor) for name, tensor in there.items())


@pytest.mark.parametrize("additive", [True, False], ids=["sums", "products"])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_rank_and_sums_are_read_from_the_tensors_and_go_back(
    home: Path, tmp_path: Path, rank: int, additive: bool
) -> None:
    there = random_task(home, LeFT.Config(rank=rank, additive=additive))
    done("tasks", "import", published(tmp_path / "there.pt", there), "--name", "cats", "--activation")
    info = read_info(home / "tasks" / "cats.safetensors")
    theirs = {"rank": rank, "additive": additive, "activation": True, "init": "paper"}
    ours = {"gates": "hard", "biases": False, "crossed": False}
    assert info.config == theirs | ours
    done("tasks", "export", "cats", tmp_path / "again.pt")
    again = official(tmp_path / "again.pt")
    assert again.keys() == there.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in there.items())


def test_the_command_generates_what_was_imported(home: Path, tmp_path: Path) -> None:
    imported(home)
    done("generate", "--task", "cats", "-n", 2, "--outdir", tmp_path / "out", "--device", "cpu")
    assert len(list((tmp_path / "out").rglob("seed*.png"))) == 2
    assert "cats" in done("tasks", "list").stdout
    assert "LFS-GAN" in done("tasks", "show", "cats").stdout


def test_it_says_whether_the_activation_matters(home: Path, tmp_path: Path) -> None:
    unknown = done("tasks", "import", TASK, "--name", "cats").stderr
    assert re.search(r"Warning: the file does not say .* and [1-9]\d*\.\d% of its gates are negative", unknown)
    assert "Warning" not in done("tasks", "import", TASK, "--name", "dogs", "--activation").stderr
    harmless = published(tmp_path / "harmless.pt", {name: tensor.abs() for name, tensor in official().items()})
    said = done("tasks", "import", harmless, "--name", "birds").stderr
    assert "The activation makes no difference" in said
    assert "Warning" not in said


def test_where_no_gate_is_negative_the_activation_changes_no_image(home: Path, tmp_path: Path) -> None:
    harmless = published(tmp_path / "harmless.pt", {name: tensor.abs() for name, tensor in official().items()})
    for name, option in (("with", "--activation"), ("without", "--no-activation")):
        done("tasks", "import", harmless, "--name", name, option)
    drawn = [Workspace(home).generator(name, torch.device("cpu")) for name in ("with", "without")]
    z = torch.randn(2, drawn[0].config.w_dim, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[0](z), drawn[1](z))


def test_a_dry_run_writes_nothing(home: Path) -> None:
    assert "Would import" in done("tasks", "import", TASK, "--name", "cats", "--dry-run").stderr
    assert sorted(path.name for path in home.iterdir()) == ["base.safetensors"]


def test_a_task_is_replaced_only_when_told_to(home: Path, tmp_path: Path) -> None:
    imported(home)
    assert "--overwrite" in refused("tasks", "import", TASK, "--name", "cats")
    imported(home, "--overwrite", "--no-activation")
    assert TaskFile.open(home / "tasks" / "cats.safetensors").info.config["activation"] is False
    done("tasks", "export", "cats", tmp_path / "out.pt")
    assert "--overwrite" in refused("tasks", "export", "cats", tmp_path / "out.pt")
    done("tasks", "export", "cats", tmp_path / "out.pt", "--overwrite")


def test_another_base_is_refused_and_both_are_named(learned: Any) -> None:
    said = learned.refused("tasks", "import", TASK, "--name", "dogs")
    assert "'lfsgan_task.pt' is a task of another network" in said
    assert f"{tiny_generator().config.resolution}×" in said


def test_a_task_of_another_adapter_has_no_such_file(learned: Any) -> None:
    learned.learn("dogs", "--adapter", "full")
    assert "of the adapter 'full' has what the public LFS-GAN code does not know" in learned.refused(
        "tasks", "export", "dogs", "out.pt"
    )


KNOWN = {"rank": "2", "gates": "hard", "biases": "false", "crossed": "false"}


def learn(learned: Any, options: dict[str, str]) -> None:
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    learned.done("learn-task", "--images", "cats", "--name", "new", "--steps", 2, "--batch", 2, *words)


def test_a_task_learned_here_goes_out_and_comes_back_with_equal_tensors(learned: Any) -> None:
    learn(learned, KNOWN)
    learned.done("tasks", "export", "new", "out.pt")
    learned.done("tasks", "import", "out.pt", "--name", "again", "--activation", "--device", "cpu")
    one, two = (
        TaskFile.open(learned.folder / f"lfsgan_workspace/tasks/{name}.safetensors").tensors
        for name in ("new", "again")
    )
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name].float(), two[name]) for name in one)  # the mean w too, from the same seed


@pytest.mark.parametrize(("option", "value"), [("gates", "soft"), ("biases", "true"), ("crossed", "true")])
def test_what_the_public_code_does_not_know_stays_here(learned: Any, option: str, value: str) -> None:
    learn(learned, {**KNOWN, option: value})
    assert "has what the public LFS-GAN code does not know" in learned.refused("tasks", "export", "new", "out.pt")


def changed(**changes: Any) -> dict[str, Any]:
    return {**official(), **changes}


def without(name: str) -> dict[str, Tensor]:
    return {other: tensor for other, tensor in official().items() if other != name}


GATE = "conv1.conv.weight_modulation.w_mul1_out_channel_wise"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"g_ema": {"input.input": torch.zeros(1, 4, 4, 4)}}, ["is a base, not a task", "lfsgan base import"]),
        ({"g_ema": {}}, ["holds no 'g_ema'"]),
        ({"GAN": {}}, ["holds no 'g_ema'"]),
        ([1, 2], ["holds no 'g_ema'"]),
        ({"g_ema": without(GATE)}, [f"'{GATE}' is missing"]),
        ({"g_ema": changed(**{GATE: torch.tensor([[1.0], [float("nan")]])})}, ["not finite"]),
        ({"g_ema": changed(**{GATE: torch.zeros(1, 1).expand(2**20, 2**20)})}, ["fewer numbers than"]),
        ({"g_ema": changed(**{GATE: torch.zeros(3, dtype=torch.int64)})}, ["no floating-point tensor"]),
        ({"g_ema": changed(**{GATE: torch.zeros(3)})}, ["too few axes"]),
        ({"g_ema": changed(**{GATE: torch.zeros(3, 1)})}, ["has the shape [3, 1]"]),
        ({"g_ema": without("style.1.weight_modulation.b_mul")}, ["lacks 'style.1.weight_modulation.b_mul'"]),
        ({"g_ema": changed(**{"conv1.conv.weight_modulation.w_mul": torch.ones(1)})}, ["no task has"]),
        ({"g_ema": changed(stranger=torch.ones(1))}, ["'stranger'"]),
        ({"g_ema": changed(**{"s" * 9999: torch.ones(1)})}, ["sss', which"]),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(home: Path, tmp_path: Path, content: Any, words: list[str]) -> None:
    torch.save(content, tmp_path / "file.pt")
    said = refused("tasks", "import", tmp_path / "file.pt", "--name", "cats")
    assert [word for word in ["'file.pt'", *words] if word not in said] == []
    assert sorted(path.name for path in home.iterdir()) == ["base.safetensors"]


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "no file that torch.save wrote"), (b"GIF89a" * 9, "no file that torch.save wrote"), (b"PK\x03\x04", "cut")],
)
def test_other_files_are_refused_in_one_line(home: Path, tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "file.pt").write_bytes(data)
    assert words in refused("tasks", "import", tmp_path / "file.pt", "--name", "cats")
    assert "No such file" in refused("tasks", "import", tmp_path / "nowhere.pt", "--name", "cats")
    ours = refused("tasks", "import", home / "base.safetensors", "--name", "cats")
    assert "holds a base, not a task" in ours
