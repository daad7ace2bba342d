"""What a learner is given: the base that its task shall be learned on, and shots that choose the snapshot."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from lfsgan_cli.runs import plan
from lfsgan_cli.runs.learn_task import Learner
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import TaskRecipe
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import Program

TRAINING = LearnConfig(steps=12, batch=2, seeking_batch=4, anchor_candidates=10)


def learner(program: "Program", **changed: Any) -> Learner:
    workspace = Workspace(program.folder / "lfsgan_workspace")
    training = replace(TRAINING, **changed)
    job = plan.plan_task(workspace, Path("cats"), "new", TaskRecipe("left", (), training), overwrite=False)
    return Learner(job, torch.device("cpu"))


@pytest.mark.parametrize("trained_on", ["average", "live"])
def test_a_task_is_learned_on_the_base_that_is_asked_for_and_drawn_on_the_average(
    program: "Program", trained_on: Any
) -> None:
    new, base = learner(program, trained_on=trained_on), Workspace(program.folder / "lfsgan_workspace").base
    z = torch.randn(2, base.average.config.w_dim)
    with torch.no_grad():
        drawn = {"average": base.average(z), "live": base.live(z)}
        assert not torch.equal(drawn["average"], drawn["live"])
        assert torch.equal(new.run.generator(z), drawn[trained_on])  # nothing is learned yet
        assert torch.equal(new.base(z), drawn["average"])


def test_a_run_with_shots_held_out_is_stored_before_its_first_look(program: "Program") -> None:
    held = learner(program, held_out=2)
    assert len(held.run.shots) == 3  # of five
    steps = list(held.steps(save_every=0, resume_command=""))
    assert (steps[-1].done, held.finish(0.0).info.name) == (12, "new")
