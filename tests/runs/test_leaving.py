"""A run leaves its state to a shorter job that it passes, which has only to be finished then, and only once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from lfsgan_cli.benchmark.results import costs_path
from lfsgan_cli.benchmark.runner import learn
from lfsgan_cli.runs import plan
from lfsgan_cli.runs.learn_task import Learner
from lfsgan_cli.runs.plan import TaskRun
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.loop import Step
from lfsgan_cli.training.recipes import TaskRecipe
from lfsgan_cli.workspace.locks import hold_tasks
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import Program

CPU = torch.device("cpu")
LONG = LearnConfig(steps=12, batch=2, seeking_batch=4, anchor_candidates=10, decay=0.0)


def job(root: str, steps: int) -> TaskRun:
    """A new job in a workspace of its own, on the base of the program's."""
    workspace = Workspace(Path(root))
    if not workspace.base_path.exists():
        workspace.root.mkdir()
        workspace.base_path.write_bytes(Path("lfsgan_workspace/base.safetensors").read_bytes())
    way = TaskRecipe("left", (), replace(LONG, steps=steps))
    return plan.plan_task(workspace, Path("cats"), "new", way, overwrite=False)


@pytest.fixture
def short(program: "Program") -> TaskRun:
    return job("short", 10)


def passing(short: TaskRun) -> Iterator[Step]:
    yield from learn(Learner(job("long", 12), CPU), [short], "")


def test_it_is_left_with_its_state_its_log_and_its_costs(short: TaskRun) -> None:
    for _ in passing(short):
        pass
    assert short.folder.kept == 10
    log = (short.folder.path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [10]
    assert json.loads(costs_path(short.workspace).read_text())["new"]["processes"] == 1
    assert plan.is_learned(Workspace(Path("long")), "new")


def test_one_that_is_begun_meanwhile_is_let_be(short: TaskRun) -> None:
    for done in passing(short):
        if done.done == 3:
            next(Learner(short, CPU).steps(save_every=0, resume_command=""))
    assert short.folder.kept is not None
    assert short.folder.kept < 10


def test_one_that_another_works_on_is_let_be_and_the_longer_goes_on(short: TaskRun) -> None:
    with hold_tasks(short.workspace.root, "new"):
        assert [step.done for step in passing(short)][-1] == 12
    assert not short.folder.unfinished


def test_what_hinders_it_does_not_end_the_longer(short: TaskRun) -> None:
    for done in passing(short):
        if done.done == 3:
            short.folder.path.parent.mkdir(exist_ok=True)
            short.folder.path.write_text("a file where the folder should be")
    assert plan.is_learned(Workspace(Path("long")), "new")
