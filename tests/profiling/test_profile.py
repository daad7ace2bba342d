"""Totals and shares follow from what was measured."""

import json
from dataclasses import replace

import pytest

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.profiling.counters import Peaks, Work
from lfsgan_cli.profiling.profile import MeasuredPhase, Profile, Workload, training_batch
from lfsgan_cli.system.machine import Machine
from lfsgan_cli.training.config import LearnConfig

LEARN = Workload(
    "learn-task",
    4,
    [MeasuredPhase("d", 1.0, 0.2, Work(60, 2)), MeasuredPhase("r1", 0.5, 0.4, Work(8, 1))],
    100.0,
    "resident",
)
PRETRAIN = Workload("pretrain", 16, [MeasuredPhase("d", 1.0, 2.0, Work(0, 190))], None, "")
GENERATE = Workload("generate", 16, [MeasuredPhase("one batch", 1.0, 0.1, Work(9, 1))], None, "")
MACHINE = Machine("cpu", "a processor", 2, 2, "2.13.0", None)


@pytest.fixture
def profile() -> Profile:
    return Profile("a base", MACHINE, Peaks(conv_fp32=400.0, conv_bf16=800.0, copy=100.0), (LEARN, PRETRAIN, GENERATE))


def test_totals_are_those_of_average_steps(profile: Profile) -> None:
    totals = {(total.of, total.unit): total.value for total in profile.totals()}
    assert totals == pytest.approx({
        ("learn-task", "steps/s"): 1 / (0.2 + 0.5 * 0.4),
        ("learn-task", f"minutes for a task of {LearnConfig.steps} steps"): LearnConfig.steps * 0.4 / 60,
        ("pretrain", "images/s in batches of 16"): 8,
        ("generate", "images/s in batches of 16"): 160,
        ("learn-task", "MB of memory at peak"): 100,
    })  # fmt: skip


def test_shares_of_a_step_add_up_to_one(profile: Profile) -> None:
    assert [row.share for row in profile.rows] == pytest.approx([0.5, 0.5, 1.0, 1.0])


def test_lines_say_how_near_the_peak_and_what_binds(profile: Profile) -> None:
    assert [(row.of_peak, row.bound) for row in profile.rows] == [
        (pytest.approx(60 / 0.2 / 400), "arithmetic"),
        (pytest.approx(8 / 0.4 / 400), "overhead"),
        (0, "memory"),
        (pytest.approx(9 / 0.1 / 400), "overhead"),
    ]


def test_a_profile_is_plain_json_even_where_a_part_took_no_time(profile: Profile) -> None:
    seeking = MeasuredPhase("g, mode seeking", 0.125, 0.0, Work(8, 1))  # a difference, so noise may eat it up
    learn = replace(LEARN, phases=[*LEARN.phases, seeking])
    document = json.loads(
        json.dumps(replace(profile, workloads=(learn, PRETRAIN, PRETRAIN)).to_json(), allow_nan=False)
    )
    assert [(row["share"], row["of_peak"]) for row in document["phases"] if row["phase"] == seeking.name] == [(0, 0)]


@pytest.mark.parametrize(("resolution", "batch"), [(64, 16), (128, 16), (256, 4), (1024, 1)])
def test_large_images_come_in_small_batches(resolution: int, batch: int) -> None:
    assert training_batch(NetworkConfig.standard(resolution)) == batch
