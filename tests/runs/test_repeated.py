"""What is said again along with --resume is compared with what the run was begun with."""

import json

import pytest
from lfsgan_adapters.left import LeFT

from lfsgan_cli import options
from lfsgan_cli.runs.folder import ChangedPlanError
from lfsgan_cli.runs.plan import Repeated, TaskPlan
from lfsgan_cli.training.config import LearnConfig

BEGAN = options.build(LearnConfig, {"precision": "fp32", "discriminator.freeze_blocks": 2, "mode_seeking.batch": 4})
RANK_14 = LeFT.Config(rank=14)


def test_a_setting_that_differs_is_named_as_it_is_given() -> None:
    Repeated({}, {"mode_seeking.batch": 4}, (), None).check_settings("left", RANK_14, BEGAN.to_json())
    with pytest.raises(ChangedPlanError, match=r"-t mode_seeking\.batch was 4, now 5"):
        Repeated({}, {"mode_seeking.batch": 5}, (), None).check_settings("left", RANK_14, BEGAN.to_json())


def test_what_is_left_to_the_program_is_what_it_chose_when_the_run_began() -> None:
    auto = {"perceptual": "auto", "discriminator.freeze_blocks": None}
    Repeated({"precision": "auto"}, auto, ("rank=none",), None).check_settings("left", RANK_14, BEGAN.to_json())
    with pytest.raises(ChangedPlanError, match="--precision was fp32, now bf16"):
        Repeated({"precision": "bf16"}, auto, (), None).check_settings("left", RANK_14, BEGAN.to_json())


@pytest.mark.parametrize("said", [("rank=2",), {"rank": 2}])
def test_an_option_of_the_adapter_that_differs_is_named(said: "tuple[str, ...] | dict[str, int]") -> None:
    with pytest.raises(ChangedPlanError, match="-o rank was 14, now 2"):
        Repeated({}, {}, said, None).check_settings("left", RANK_14, BEGAN.to_json())


def test_a_plan_survives_json() -> None:
    plan = TaskPlan("cats", "left", RANK_14, BEGAN, "0x1", "0x2")
    assert TaskPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
