"""From Python, a workspace does what the commands do: the same bytes, the same numbers, the same errors."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli import LfsganError, open_workspace
from lfsgan_cli.api import CallError, Progress
from lfsgan_cli.evaluation.evaluate import Measurement
from tests.conftest import Program
from tests.python_api_page import MARK, PAGE

EXAMPLE = Path(__file__).parent.parent / "examples" / "learn_and_generate.py"


def test_the_package_is_imported_without_torch_and_knows_its_names() -> None:
    program = "import sys, lfsgan_cli; print('torch' in sys.modules, 'open_workspace' in dir(lfsgan_cli))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_a_task_is_the_same_file_as_the_commands(program: Program) -> None:
    program.learn("cats", "--steps", 3, "--seed", 5, "-o", "rank=1", "--batch", 2)
    seen: list[Progress] = []
    Path("other").mkdir()
    shutil.copy("lfsgan_workspace/base.safetensors", "other/base.safetensors")
    learned = open_workspace("other").learn_task(
        "cats", "cats", steps=3, seed=5, batch=2, adapter_options={"rank": 1}, progress=seen.append
    )
    assert program.contents("other/tasks/cats.safetensors") == program.contents(
        "lfsgan_workspace/tasks/cats.safetensors"
    )
    assert (learned.info.name, learned.info.training["steps"]) == ("cats", 3)
    assert [(step.done, step.total) for step in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.isfinite(list(step.losses.values())).all() for step in seen)


def test_a_loop_that_is_left_early_is_resumed_to_the_same_file(program: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    for step in islice(workspace.iter_learn_task("a", "cats", steps=4, save_every=0), 2):
        assert step.total == 4
    learned = workspace.learn_task("a", resume=True)
    workspace.learn_task("b", "cats", steps=4)
    assert learned.info.training["steps"] == 4
    images = [workspace.generate(name, 2) for name in ("a", "b")]
    assert all(np.array_equal(np.asarray(one), np.asarray(other)) for one, other in zip(*images, strict=True))
    assert workspace.learn_task("a", resume=True) == learned  # nothing is left to do


def test_images_are_those_of_generate(learned: Program) -> None:
    learned.done("generate", "--task", "cats", "--seeds", "3,1", "--truncation", 0.7, "--with-base")
    workspace = open_workspace("lfsgan_workspace")
    for task, folder in (("cats", "cats"), (None, "base")):
        images = workspace.generate(task, [3, 1], truncation=0.7)
        for image, seed in zip(images, (3, 1), strict=True):
            assert np.array_equal(np.asarray(image), np.asarray(Image.open(f"out/{folder}/seed{seed:04}.png")))
    assert [image.size for image in workspace.iter_generate("cats", 2)] == [(16, 16)] * 2


def test_numbers_are_those_of_evaluate(learned: Program) -> None:
    words = ("evaluate", "--task", "cats", "--kid", "--reals", "data", "-n", 8, "--features", "efficientnet-lite0")
    told = json.loads(learned.done(*words, "--json").stdout)["results"]
    counts: list[int] = []
    found = open_workspace("lfsgan_workspace").evaluate(
        "cats", ["kid"], reals="data", n=8, features="efficientnet-lite0", progress=counts.append
    )
    numbers = [one for one in found if isinstance(one, Measurement)]
    assert [(one.value.metric, one.value.value) for one in numbers] == [(one["metric"], one["value"]) for one in told]
    assert sum(counts) >= 8
    assert open_workspace("lfsgan_workspace").check_retention()["cats"].retained


def test_a_base_is_pretrained_resumed_imported_and_exported(newcomer: Program) -> None:
    workspace = open_workspace("ws")
    steps = list(
        workspace.iter_pretrain("data", resolution=16, channels=16, latent=16, mapping_layers=2, batch=4, kimg=0.02)
    )
    assert [step.done for step in steps] == list(range(1, 6))
    assert workspace.base().training["kimg"] == 0.02
    file = workspace.export_base("base.pt")
    other = open_workspace("other")
    assert other.import_base(file, name="again").identity == workspace.base().identity
    with pytest.raises(LfsganError, match="--overwrite"):
        other.import_base(file)


def test_tasks_are_managed(learned: Program) -> None:
    workspace = open_workspace("lfsgan_workspace")
    assert workspace.tasks() == {"cats": workspace.task("cats")}
    assert workspace.merge_task("cats", "cats.pt") == Path("cats.pt")
    workspace.rename_task("cats", "kittens")
    assert all(finding.whole for finding in workspace.verify())
    workspace.remove_tasks("kittens")
    assert workspace.tasks() == {}


@pytest.mark.parametrize(
    ("method", "arguments", "options", "words"),
    [
        ("generate", ["dgos", 1], {}, "no task 'dgos'"),
        ("generate", ["cats", 1], {"strength": 3}, "strength 3"),
        ("evaluate", ["cats", ["fdi"]], {}, "did you mean 'fid'"),
        ("evaluate", ["cats"], {"fakes": "data"}, "pass either"),
        ("learn_task", ["cats", "dogs"], {}, "'cats' is learned already"),
        ("learn_task", ["new"], {}, "no images"),
        ("learn_task", ["new", "dogs"], {"settings": {"stesp": 1}}, "did you mean 'steps'"),
        ("learn_task", ["new", "dogs"], {"resume": True, "overwrite": True}, "contradict"),
    ],
)
def test_mistakes_are_the_programs_own_errors_and_leave_nothing(
    learned: Program, method: str, arguments: list[object], options: dict[str, object], words: str
) -> None:
    before = learned.tree()
    with pytest.raises(LfsganError, match=words):
        getattr(open_workspace("lfsgan_workspace"), method)(*arguments, **options)
    assert learned.tree() == before


def test_a_contradiction_of_arguments_has_an_error_of_its_own(learned: Program) -> None:
    with pytest.raises(CallError):
        open_workspace("lfsgan_workspace").evaluate("cats", fakes="data")


def test_the_example_learns_and_generates(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    source = EXAMPLE.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 15
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "cats", "2"])
    runpy.run_path(str(EXAMPLE))
    assert len(list((program.folder / "out").glob("seed*.png"))) == 16
    assert open_workspace().task("example").info.training["steps"] == 2


def test_the_examples_of_the_page_run_as_they_stand(program: Program) -> None:
    """In few steps: the numbers of the page are those of a real base."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8").partition(MARK)[0], flags=re.DOTALL)
    for name in ("few_shots", "birds", "all_cats"):
        shutil.copytree("cats", name)
    shutil.copytree("lfsgan_workspace", "faces")
    shown: dict[str, object] = {}
    assert len(blocks) == 6
    for block in blocks:
        quick = block.replace("steps=500", "steps=2").replace('"./dogs",', '"./dogs", steps=2,')
        quick = quick.replace('"./birds")', '"./birds", steps=2)').replace('["fid", "kid"]', '["kid"], n=8')
        exec(quick, shown)  # noqa: S102 - our own page
    assert Path("cat.png").is_file()
