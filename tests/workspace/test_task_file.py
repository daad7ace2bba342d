"""A task's file says all about the task, and says it the same way each time."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfsgan_cli.io import safetensors
from lfsgan_cli.workspace.task_file import (
    BaseInfo,
    NewerTaskError,
    NotATaskError,
    TaskFile,
    TaskFileError,
    TaskInfo,
    read_info,
    read_summary,
    write,
)

INFO = TaskInfo(
    name="cats",
    adapter="left",
    adapter_version="1",
    config={"rank": 2, "init": "live"},
    base=BaseInfo("ab" * 32, "avatars-64", {"resolution": 64, "channels": [128, 64]}),
    training={"recipe": "mended", "steps": 300, "lr": 0.002},
)


def tensors() -> dict[str, Tensor]:
    return {
        "weights.mapping/0/bias.mul": torch.ones(2, 3),
        "features.conv.scale": torch.zeros(4),
        "w_mean": torch.ones(8),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "cats.safetensors", INFO, tensors())
    return tmp_path / "cats.safetensors"


def rewritten(path: Path, change: dict[str, str | None]) -> Path:
    kept, metadata = safetensors.read(path)
    changed = {key: value for key, value in {**metadata, **change}.items() if value is not None}
    safetensors.write(path.with_name("changed"), kept, changed)
    return path.with_name("changed")


def test_a_task_comes_back_as_it_was_saved(path: Path) -> None:
    task = TaskFile.open(path)
    assert task.info == INFO
    assert all(torch.equal(task.tensors[name], tensor) for name, tensor in tensors().items())


def test_the_header_counts_what_was_learned_without_torch(path: Path) -> None:
    program = (
        "import sys, pathlib; from lfsgan_cli.workspace.task_file import read_summary;"
        "task = read_summary(pathlib.Path(sys.argv[1])); print(task.info.name, task.parameters, task.file_bytes,"
        "{'torch', 'numpy', 'safetensors'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert run.stdout == f"cats {2 * 3 + 4} {path.stat().st_size} set()\n"  # w_mean was measured, not learned


def test_the_header_is_the_agreed_one(path: Path) -> None:
    header = safetensors.read_header(path)
    metadata = header.metadata
    assert metadata.pop(safetensors.SEAL) == safetensors.seal(metadata, header.tensors)
    assert metadata.pop("modelspec.hash_sha256") == safetensors.content_hash(tensors())
    assert metadata == {
        "format": "pt",
        "lfsgan.format": "task/1",
        "lfsgan.adapter": "left",
        "lfsgan.adapter_version": "1",
        "lfsgan.config": '{"init":"live","rank":2}',
        "lfsgan.base": '{"identity":"'
        + "ab" * 32
        + '","name":"avatars-64","network":{"channels":[128,64],"resolution":64}}',
        "lfsgan.training": '{"lr":0.002,"recipe":"mended","steps":300}',
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stylegan2-64/left",
        "modelspec.implementation": "lfsgan",
        "modelspec.title": "cats",
        "modelspec.resolution": "64x64",
    }


def test_equal_tasks_are_equal_files(path: Path, tmp_path: Path) -> None:
    again = replace(INFO, config=dict(reversed(INFO.config.items())))
    write(tmp_path / "again", again, dict(reversed(tensors().items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_base_and_a_foreign_file_are_told_apart(path: Path) -> None:
    with pytest.raises(NotATaskError, match="holds a base, not a task"):
        read_info(rewritten(path, {"lfsgan.format": "base/1"}))
    with pytest.raises(NotATaskError, match="another program"):
        read_info(rewritten(path, {"lfsgan.format": None}))


def test_a_format_of_the_future_asks_for_an_upgrade(path: Path) -> None:
    with pytest.raises(NewerTaskError, match=r"'task/2'.*pip install --upgrade"):
        read_info(rewritten(path, {"lfsgan.format": "task/2"}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lfsgan.config": None}, "lacks 'lfsgan.config'"),
        ({"modelspec.title": None}, "lacks 'modelspec.title'"),
        ({"lfsgan.alpha": "0.5"}, "unknown key 'lfsgan.alpha'"),
        ({"lfsgan.config": "{"}, "not JSON"),
        ({"lfsgan.training": "[]"}, "not a JSON object"),
        ({"lfsgan.training": '{"lr":NaN}'}, "'lfsgan.training' in its header is not JSON"),
        ({"lfsgan.training": '{"a":' + "[" * 40 + "]" * 40 + "}"}, "'lfsgan.training' in its header is not JSON"),
        ({"modelspec.title": "cats\x1b[31m"}, "'modelspec.title' in its header is not a name, but 'cats\\x1b[31m'"),
        ({"lfsgan.adapter": "x" * 201}, "'lfsgan.adapter' in its header is not a name"),
        ({"lfsgan.base": '{"identity":"","name":"\u202e","network":{}}'}, "not an identity, a name and a network"),
        ({"lfsgan.format": "task/" + "x" * 5000}, "'task/xxx"),
        ({"lfsgan.base": '{"identity":"","name":""}'}, "not an identity, a name and a network"),
        ({"lfsgan.format": "task/one"}, "'task/one'"),
    ],
)
def test_a_header_that_says_less_or_more_is_refused(path: Path, change: dict[str, str | None], reason: str) -> None:
    with pytest.raises(TaskFileError) as error:
        read_info(rewritten(path, change))
    assert reason in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_a_changed_tensor_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert read_summary(path).info == INFO
    with pytest.raises(TaskFileError, match="not the ones that were saved"):
        TaskFile.open(path)


@pytest.mark.parametrize(
    ("names", "reason"), [(["weights.a"], "'w_mean' is missing"), (["w_mean", "bias"], "'bias' belongs to no adapter")]
)
def test_a_task_holds_an_adapter_and_its_mean_w_and_nothing_else(tmp_path: Path, names: list[str], reason: str) -> None:
    with pytest.raises(TaskFileError, match=reason):
        write(tmp_path / "cats", INFO, {name: torch.ones(1) for name in names})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["weights.mapping/0/bias.mul", "w_mean"])
def test_numbers_that_are_not_finite_are_refused_by_the_tensors_name(tmp_path: Path, name: str, number: float) -> None:
    broken = tensors()
    broken[name].view(-1)[1] = number
    write(tmp_path / "cats", INFO, broken)
    with pytest.raises(TaskFileError, match=rf"'{name}' holds numbers that are not finite"):
        TaskFile.open(tmp_path / "cats")
