"""What is said again along with --resume is compared with what the run was begun with."""

import pytest

from lfsgan_cli.jobs.repeated import Repeated
from lfsgan_cli.jobs.runfolder import ChangedPlanError
from lfsgan_cli.jobs.taskplan import Plan
from lfsgan_cli.training.config import LearnConfig


def test_a_record_from_before_a_setting_had_its_name_was_not_learned_by_its_default() -> None:
    early = {"steps": 1400}
    Repeated({}, {"copy_weight": 0.0, "own_rates": False}, (), None).check_settings("left", {}, early)
    with pytest.raises(ChangedPlanError, match=r"-t copy_weight was 0\.0, now 40\.0"):
        Repeated({}, {"copy_weight": 40.0}, (), None).check_settings("left", {}, early)


def test_a_run_begun_before_a_setting_had_its_name_goes_on_without_it() -> None:
    plan = Plan("cats", "left", {}, LearnConfig(own_rates=False, copy_weight=0.0), "0x1", "0x2")
    document = plan.to_json()
    del document["training"]["own_rates"], document["training"]["copy_weight"]
    assert Plan.from_json(document) == plan
