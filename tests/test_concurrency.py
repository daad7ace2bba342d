"""Eight processes on one workspace: nothing is lost or mixed, and whoever comes second is told at once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import SMALL

if TYPE_CHECKING:
    from tests.conftest import Program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROCESSES = 8
PATIENCE = 300  # seconds until they are given up

# Runs command lines at the same time, each in a process of its own; forked, so that torch is imported once.
FORKING = """
import json, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside torch's threads, which are idle
import torch
torch.set_num_threads(1)
from lfsgan_cli.app import app
import lfsgan_cli.runs.learn_task, lfsgan_cli.generation.generate, lfsgan_cli.evaluation.retention
import lfsgan_cli.evaluation.extractors.efficientnet

def child(index, arguments):
    said = os.open(f"said{index}", os.O_CREAT | os.O_WRONLY)
    os.dup2(said, 1), os.dup2(said, 2)
    sys.argv = ["lfsgan", *arguments]
    try:
        app(arguments)
    except SystemExit as end:
        os._exit(end.code or 0)
    finally:
        sys.stdout.flush(), sys.stderr.flush()

pids = []
for index, arguments in enumerate(json.loads(sys.stdin.read())):
    pid = os.fork()
    if not pid:
        child(index, arguments)
        os._exit(0)
    pids.append(pid)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]))
"""


def at_once(folder: Path, *commands: list[Any]) -> list[tuple[int, str]]:
    """The exit code of each of the commands, and what it said; all of them begin together."""
    lines = json.dumps([[str(word) for word in command] for command in commands])
    run = subprocess.run(
        [sys.executable, "-c", FORKING],
        check=False,
        input=lines,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    said = [(folder / f"said{index}").read_text() for index in range(len(commands))]
    for index in range(len(commands)):
        (folder / f"said{index}").unlink()
    return list(zip(json.loads(run.stdout), said, strict=True))


def learn(name: str, *options: object) -> list[Any]:
    return ["learn-task", "--name", name, "--images", "cats", "--steps", 2, "--seed", len(name), *options]


def task(folder: Path, name: str) -> bytes:
    return (folder / f"lfsgan_workspace/tasks/{name}.safetensors").read_bytes()


@pytest.mark.parametrize("count", [2, pytest.param(PROCESSES, marks=pytest.mark.slow)])
def test_different_tasks_are_learned_at_once_as_each_would_be_alone(program: "Program", count: int) -> None:
    alone = program.folder.parent / "alone"
    shutil.copytree(program.folder, alone)
    names = ["a" * length for length in range(1, count + 1)]
    ended = at_once(program.folder, *(learn(name) for name in names))
    assert [code for code, _ in ended] == [0] * count, ended
    # The last of them by itself, in a copy of the workspace; each has a seed of its own, so that a mix-up would show.
    assert at_once(alone, learn(names[-1]))[0][0] == 0
    assert task(program.folder, names[-1]) == task(alone, names[-1])
    assert len({task(program.folder, name) for name in names}) == count
    listed = json.loads(program.done("tasks", "list", "--json").stdout)
    assert [entry["name"] for entry in listed["tasks"]] == names
    assert not (program.folder / "lfsgan_workspace/.locks").exists()


def test_of_eight_that_learn_one_name_one_does_and_seven_are_told_who(program: "Program") -> None:
    ended = at_once(program.folder, *(learn("cats", "--batch", 2 + index) for index in range(PROCESSES)))
    winners = [index for index, (code, _) in enumerate(ended) if code == 0]
    assert len(winners) == 1, ended
    for code, said in ended:
        if code:
            assert (code, said.count("\n")) == (1, 1)
            assert "task 'cats' is " in said
            assert "being worked on by process" in said or "learned already" in said
    batch = json.loads(program.done("tasks", "show", "cats", "--json").stdout)["training"]["batch"]
    assert batch == 2 + winners[0]  # nothing of the others is in it


@pytest.mark.slow
def test_the_embedded_base_is_put_into_a_fresh_workspace_by_eight_at_once(newcomer: "Program") -> None:
    ended = at_once(newcomer.folder, *(learn("c" * length) for length in range(1, PROCESSES + 1)))
    assert [code for code, _ in ended] == [0] * PROCESSES, ended
    checked = json.loads(newcomer.done("tasks", "list", "--json").stdout)
    assert len({entry["base"]["identity"] for entry in checked["tasks"]}) == 1
    assert newcomer.done("generate", "--task", "ccc", "-n", 1).exit_code == 0


@pytest.mark.slow
def test_drawing_and_listing_while_others_learn_wait_for_nobody(learned: "Program") -> None:
    ended = at_once(
        learned.folder,
        learn("dogs"),
        learn("cats", "--overwrite"),
        *(["generate", "--task", "cats", "-n", 2, "--outdir", f"out{index}"] for index in range(3)),
        ["tasks", "list"],
        ["tasks", "show", "cats"],
        ["evaluate", "--task", "cats", "--retention"],
    )
    assert [code for code, _ in ended[:-1]] == [0] * 7, ended
    for index in range(3):
        assert sorted(path.name for path in (learned.folder / f"out{index}").rglob("seed*.png"))


@pytest.mark.slow
def test_of_several_that_make_the_base_one_does_and_no_task_comes_in_between(newcomer: "Program") -> None:
    pretrain = ["pretrain", "--data", "data", *SMALL, "--kimg", 0.04]
    ended = at_once(newcomer.folder, *([*pretrain, "--seed", seed] for seed in range(PROCESSES - 1)), learn("cats"))
    assert [code for code, _ in ended].count(0) == 1, ended
    for code, said in ended:
        if code:
            assert (code, said.count("\n")) == (1, 1)
            assert "is being worked on by process" in said or "a base is never replaced" in said
    newcomer.done("tasks", "verify")
