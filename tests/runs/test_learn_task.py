"""What a learner is given: the base that its task shall be learned on, and its images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from lfsgan_adapters.left import LeFT

from lfsgan_cli import options
from lfsgan_cli.runs.learn_task import Learner, plan_task
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import TaskRecipe
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import Program

TRAINING = options.build(LearnConfig, {"steps": 12, "batch": 2, "mode_seeking.batch": 4, "anchors.candidates": 10})


def learner(program: "Program", **changed: Any) -> Learner:
    workspace = Workspace(program.folder / "lfsgan_workspace")
    training = options.changed(TRAINING, changed)
    job = plan_task(workspace, Path("cats"), "new", TaskRecipe("left", LeFT.Config(), training), overwrite=False)
    return Learner(job, torch.device("cpu"))


@pytest.mark.parametrize("generator", ["ema", "raw"])
def test_a_task_is_learned_on_the_base_that_is_asked_for_and_generated_on_the_average(
    program: "Program", generator: Any
) -> None:
    new, base = learner(program, generator=generator), Workspace(program.folder / "lfsgan_workspace").base
    z = torch.randn(2, base.average.config.w_dim)
    with torch.no_grad():
        drawn = {"ema": base.average(z), "raw": base.live(z)}
        assert not torch.equal(drawn["ema"], drawn["raw"])
        assert torch.equal(new.run.generator(z), drawn[generator])  # nothing is learned yet
        assert torch.equal(new.base(z), drawn["ema"])
