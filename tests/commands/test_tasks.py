"""`lfsgan tasks` tells what was learned, and reads no more than headers."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.commands.options import MOST_PROPOSALS, task_names
from lfsgan_cli.workspace import checkpoint_file
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo, write

BASE = BaseInfo("ab" * 32, "avatars-64", {"resolution": 64})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tasks", *arguments])


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tasks").mkdir()
    for name, width in (("dogs", 5), ("cats", 3)):
        info = TaskInfo(name, "left", "1", {"rank": width}, BASE, {"steps": 300, "seed": 0, "shot_count": 10})
        tensors = {"weights.a": torch.ones(width), "w_mean": torch.ones(2)}
        write(tmp_path / "tasks" / f"{name}.safetensors", info, tensors)
    monkeypatch.setenv("LFSGAN_WORKSPACE", str(tmp_path))
    return tmp_path


def test_the_list_has_a_line_for_each_task(root: Path) -> None:
    run_of_cats = root / "tasks" / "cats"
    run_of_cats.mkdir()
    (run_of_cats / "run.json").write_text('{"finished": "2026-11-30T11:39:24+00:00"}')
    lines = [{"metric": "fid", "name": f"fid[inception] n={n}", "value": n / 2} for n in (5, 9)]
    (run_of_cats / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in [*lines, {"metric": "kid"}]))
    result = run("list")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["task", "learned", "steps", "images", "adapter", "size", "FID"]
    assert rows[1] == ["cats", "2026-11-30", "300", "10", "left", "1", "kB", "4.50", "inception"]
    assert (rows[2][0], rows[2][-1]) == ("dogs", "-")


def test_the_list_tells_how_far_an_interrupted_run_is(root: Path) -> None:
    (root / "tasks" / "new").mkdir()
    plan = {"lfsgan.plan": '{"training": {"steps": 1000}}'}
    checkpoint_file.write(root / "tasks" / "new", 40, {"x": torch.zeros(1)}, plan)
    said = run("list").stdout
    assert "new: interrupted after step 40 of 1,000; resume with: lfsgan learn-task --name new --resume" in said


def test_one_task_fits_a_terminal_and_full_shows_every_setting(root: Path) -> None:
    info = TaskInfo("many", "left", "1", {"rank": 1}, BASE, {f"setting_{n}": n for n in range(60)} | {"steps": 9})
    write(root / "tasks" / "many.safetensors", info, {"weights.a": torch.ones(1), "w_mean": torch.ones(2)})
    assert len(run("show", "many").stdout.splitlines()) <= 24
    assert "setting_59" in run("show", "many", "--full").stdout


def test_of_many_names_only_near_ones_are_proposed(root: Path) -> None:
    for name in ("bats", "rats", "hats", "mats", "zebra"):
        (root / "tasks" / f"{name}.safetensors").touch()
    line = run("show", "wats").stderr
    assert line.count("ats'") == 4  # the name itself and three others
    assert "zebra" not in line


def test_the_list_as_json_holds_all_of_the_headers(root: Path) -> None:
    cats, dogs = json.loads(run("list", "--json").stdout)["tasks"]
    assert cats.items() >= json.loads(run("show", "cats", "--json").stdout).items()
    assert (cats["name"], cats["parameters"], cats["config"]) == ("cats", 3, {"rank": 3})
    assert dogs["base"] == {"identity": "ab" * 32, "name": "avatars-64", "network": {"resolution": 64}}
    assert dogs["bytes"] == (root / "tasks" / "dogs.safetensors").stat().st_size


def test_one_task_is_shown_with_all_that_its_header_says(root: Path) -> None:
    lines = [line.split() for line in run("show", "dogs", "--full").stdout.splitlines()]
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
    assert json.loads(run("list", "--workspace", str(tmp_path), "--json").stdout) == {
        "tasks": [],
        "interrupted": [],
        "unreadable": {},
    }


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


def test_pages_have_every_task_once_with_its_interrupted_runs(root: Path) -> None:
    for number in range(60):
        (root / "tasks" / f"task-{number:02}.safetensors").write_bytes(
            (root / "tasks" / "cats.safetensors").read_bytes()
        )
    (root / "tasks" / "new").mkdir()
    checkpoint_file.write(root / "tasks" / "new", 40, {"x": torch.zeros(1)}, {})
    (root / "tasks" / "removed").mkdir()
    names: list[str] = []
    runs: list[str] = []
    said: dict[str, Any] = {"cut": ""}
    while "cut" in said:
        said = json.loads(run("list", "--json", "--limit", "7", "--after", said["cut"]).stdout)
        assert len(said["tasks"]) + len(said["interrupted"]) <= 7
        names += [task["name"] for task in said["tasks"]]
        runs += [one["name"] for one in said["interrupted"]]
    assert names == ["cats", "dogs", *(f"task-{number:02}" for number in range(60))]
    assert runs == ["new"]
    assert len(run("list").stdout.splitlines()) == 1 + 62 + 1
    assert "--after task-00" in run("list", "--limit", "4").stderr


def test_of_very_many_names_the_near_one_is_proposed_and_the_common_start_is_completed(root: Path) -> None:
    for number in range(3000):
        (root / "tasks" / f"task-{number:04}.safetensors").touch()
    assert "'task-2345'" in run("show", "task-23450").stderr
    proposed = task_names(SimpleNamespace(params={"workspace": root}), "task-")
    assert len(proposed) == MOST_PROPOSALS
    assert (proposed[0], proposed[-1]) == ("task-0000", "task-2999")  # a shell adds what all have in common
