"""What is said again along with --resume is compared with what the run was begun with."""

import pytest

from lfsgan_cli.runs.folder import ChangedPlanError
from lfsgan_cli.runs.plan import Repeated, TaskPlan
from lfsgan_cli.training.config import LearnConfig


def test_a_record_from_before_a_setting_had_its_name_was_not_learned_by_its_default() -> None:
    early = {"steps": 1400}
    Repeated({}, {"copy_weight": 0.0, "own_rates": False}, (), None).check_settings("left", {}, early)
    with pytest.raises(ChangedPlanError, match=r"-t copy_weight was 0\.0, now 100\.0"):
        Repeated({}, {"copy_weight": 100.0}, (), None).check_settings("left", {}, early)


def test_what_is_left_to_the_program_is_what_it_chose_when_the_run_began() -> None:
    began = {"precision": "fp32", "likeness": "efficientnet-lite0", "freeze_blocks": 2, "steps": 1000}
    repeated = Repeated({"precision": "auto"}, {"likeness": "auto", "freeze_blocks": None}, ("rank=none",), None)
    repeated.check_settings("left", {"rank": 14}, began)
    with pytest.raises(ChangedPlanError, match="--precision was fp32, now bf16"):
        Repeated({"precision": "bf16"}, {"likeness": "auto"}, (), None).check_settings("left", {"rank": 14}, began)


def test_a_run_begun_before_a_setting_had_its_name_goes_on_without_it() -> None:
    plan = TaskPlan("cats", "left", {}, LearnConfig(own_rates=False, copy_weight=0.0), "0x1", "0x2")
    document = plan.to_json()
    del document["training"]["own_rates"], document["training"]["copy_weight"]
    assert TaskPlan.from_json(document) == plan
