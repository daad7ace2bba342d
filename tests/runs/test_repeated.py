"""Plans are compared in one way: what is repeated along with --resume may change the run's end, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from lfsgan_adapters.left import LeFT

from lfsgan_cli import options
from lfsgan_cli.runs.learn_task import Repeated, TaskPlan
from lfsgan_cli.runs.plan import AlreadyPassedError, ChangedPlanError
from lfsgan_cli.runs.pretrain import PretrainPlan
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.workspace.workspace import Workspace

HERE = Workspace(Path("nowhere"))
BEGAN = options.changed(LearnConfig(precision="fp32"), {"discriminator.freeze_blocks": 2})
RANK_14 = options.build(LeFT.Config, {"rank": 14})
PLAN = TaskPlan("cats", "left", RANK_14, BEGAN, "ab" * 32, "cd" * 32)
NETWORK = {"resolution": 16, "channels": {"4": 16}, "w_dim": 16, "mapping_layers": 2}
BASE = PretrainPlan("discs", "data", "ab" * 32, 12, NETWORK, PretrainConfig(kimg=1, batch=10), None)


def test_what_is_left_to_the_program_is_what_it_chose_when_the_run_began() -> None:
    left = {"perceptual": "auto", "discriminator.freeze_blocks": None}
    assert PLAN.differences(Repeated({"precision": "auto"}, left, ("rank=none",)).asked(PLAN, HERE)) == {}
    said = Repeated({"precision": "bf16"}, {"discriminator.freeze_blocks": 1}).asked(PLAN, HERE)
    assert PLAN.differences(said) == {"--precision": ("fp32", "bf16"), "-t discriminator.freeze_blocks": (2, 1)}
    with pytest.raises(ChangedPlanError, match="--precision was fp32, now bf16, -t discriminator"):
        PLAN.resumed_as(said, 0)


def test_options_are_compared_with_those_of_the_same_adapter_alone() -> None:
    rank_2 = replace(PLAN, options=options.changed(RANK_14, {"rank": 2}), recipe="paper")
    assert PLAN.differences(rank_2) == {"--recipe": ("default", "paper"), "-o rank": (14, 2)}
    assert PLAN.differences(rank_2, only="-o ") == {"-o rank": (14, 2)}
    assert PLAN.differences(replace(rank_2, adapter="cam", recipe="default")) == {"--adapter": ("left", "cam")}


def test_the_end_may_change_to_any_that_the_run_has_not_passed_and_the_plan_records_it() -> None:
    more = PLAN.resumed_as(Repeated({"steps": 2000}).asked(PLAN, HERE), 640)
    assert (more.training.steps, more.record["lengthened"]) == (2000, [{"steps": 1000, "at": 640}])
    assert TaskPlan.from_json(more.to_json()) == more
    with pytest.raises(AlreadyPassedError, match="--steps is 500, and the run has already done 640: pass 640 or more"):
        PLAN.resumed_as(Repeated({"steps": 500}).asked(PLAN, HERE), 640)


def test_pretraining_is_lengthened_in_thousands_of_images() -> None:
    more = BASE.resumed_as(replace(BASE, training=PretrainConfig(kimg=3, batch=10)), 50)
    assert (more.training.kimg, more.record["lengthened"]) == (3, [{"kimg": 1, "at": 0.5}])
    with pytest.raises(AlreadyPassedError, match=r"--kimg is 0\.2, and the run has already done 0\.5"):
        BASE.resumed_as(replace(BASE, training=PretrainConfig(kimg=0.2, batch=10)), 50)


def test_other_data_is_another_plan_even_with_as_many_images() -> None:
    with pytest.raises(ChangedPlanError, match="--data holds other images than the run began with"):
        BASE.resumed_as(replace(BASE, data_sha256="ef" * 32), 0)
