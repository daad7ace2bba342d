"""`lfsgan tasks` tells what was learned, and reads no more than headers."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo, write

BASE = BaseInfo("ab" * 32, "avatars-64", {"resolution": 64})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tasks", *arguments])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tasks").mkdir()
    for name, width in (("dogs", 5), ("cats", 3)):
        info = TaskInfo(name, "left", "1", {"rank": width}, BASE, {"steps": 300, "seed": 0})
        tensors = {"weights.a": torch.ones(width), "w_mean": torch.ones(2)}
        write(tmp_path / "tasks" / f"{name}.safetensors", info, tensors)
    monkeypatch.setenv("LFSGAN_WORKSPACE", str(tmp_path))
    return tmp_path


def test_the_list_has_a_line_for_each_task(root: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    size = f"{(root / 'tasks' / 'cats.safetensors').stat().st_size:,}"
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["cats", "left", "avatars-64", "3", size],
        [
            "dogs",
            "left",
            "avatars-64",
            "5",
            size.replace(size, f"{(root / 'tasks/dogs.safetensors').stat().st_size:,}"),
        ],
    ]


def test_the_list_as_json_holds_all_of_the_headers(root: Path) -> None:
    cats, dogs = json.loads(run("list", "--json").stdout)["tasks"]
    assert cats == json.loads(run("show", "cats", "--json").stdout)
    assert (cats["name"], cats["parameters"], cats["config"]) == ("cats", 3, {"rank": 3})
    assert dogs["base"] == {"identity": "ab" * 32, "name": "avatars-64", "network": {"resolution": 64}}
    assert dogs["bytes"] == (root / "tasks" / "dogs.safetensors").stat().st_size


def test_one_task_is_shown_with_all_that_its_header_says(root: Path) -> None:
    lines = [line.split() for line in run("show", "dogs").stdout.splitlines()]
    for expected in (["task", "dogs"], ["adapter", "left", "1"], ["rank", "5"], ["steps", "300"], ["parameters", "5"]):
        assert expected in lines


def test_a_renamed_file_is_a_renamed_task(root: Path) -> None:
    (root / "tasks" / "cats.safetensors").rename(root / "tasks" / "lions.safetensors")
    assert json.loads(run("show", "lions", "--json").stdout)["name"] == "lions"


def test_one_broken_file_does_not_hide_the_others(root: Path) -> None:
    (root / "tasks" / "b\x1b[1m.safetensors").write_bytes(b"broken")
    result = run("list")
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: task 'b\\x1b[1m' is left out: ")
    assert "cats" in result.stdout
    assert list(json.loads(run("list", "--json").stdout)["unreadable"]) == ["b\x1b[1m"]


def test_no_tasks_yet_is_no_error(tmp_path: Path) -> None:
    result = run("list", "--workspace", str(tmp_path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "lfsgan learn-task" in result.stderr
    assert json.loads(run("list", "--workspace", str(tmp_path), "--json").stdout) == {"tasks": [], "unreadable": {}}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--workspace", "nowhere"], ["no workspace at 'nowhere'", "learn-task", "--workspace"]),
        (["show", "cast"], ["no task 'cast'", "did you mean 'cats'?"]),
        (["show", "../cats"], ["'../cats' cannot name a task"]),
    ],
)
def test_a_mistake_is_one_line(root: Path, arguments: list[str], words: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert [word for word in words if word not in result.stderr] == []
    assert result.stderr.count("\n") == 1
