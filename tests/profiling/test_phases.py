"""The parts of a step are the run's own, and together they are its steps."""

import copy

import numpy as np
import pytest
import torch
from lfsgan_adapters.left import LeFT

from lfsgan_cli import options
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.profiling.counters import counted
from lfsgan_cli.profiling.phases import PhaseCost, learning_parts, pretraining_parts
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.loop import TrainingLoop
from lfsgan_cli.training.pretraining import Pretraining
from tests.brightness import InBrightness

SHOTS = list(np.random.RandomState(0).randint(0, 256, (5, 16, 16, 3), np.uint8))
CYCLE = 12  # steps after which all intervals of LEARN have come round
# Two latents in every image, where the defaults mix them by chance.
LEARN = options.build(
    LearnConfig,
    {
        "steps": CYCLE,
        "batch": 2,
        "anchors.every": 2,
        "discriminator.r1_every": 3,
        "mode_seeking.every": 4,
        "mode_seeking.batch": 4,
        "anchors.candidates": 5,
        "mixing": 1.0,
    },
)
PRETRAIN = PretrainConfig(kimg=0.016, batch=4, r1_every=4, path_every=2, mixing=1.0)  # four steps


def learning(config: LearnConfig = LEARN) -> Learning:
    base = tiny_generator()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        adapter, discriminator = LeFT(base, LeFT.Config()), Discriminator(base.config)
    return Learning(base, adapter, discriminator, SHOTS, InBrightness(SHOTS), config)


def pretraining() -> Pretraining:
    live = tiny_generator()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        discriminator = Discriminator(live.config)
    return Pretraining(live, copy.deepcopy(live), discriminator, SHOTS, PRETRAIN)


def average_step(parts: list[PhaseCost]) -> float:
    """Operations of a step by its parts."""
    return sum(part.per_step * flops(part) for part in parts)


def flops(part: PhaseCost) -> int:
    return counted(part.action).flops - (counted(part.without).flops if part.without else 0)


def whole(run: TrainingLoop) -> float:
    """Operations of a step by the training loop itself, on average over the run."""
    return counted(lambda: list(run.steps())).flops / run.total


def test_the_parts_of_a_step_add_up_to_what_learning_a_task_computes() -> None:
    assert average_step(learning_parts(learning())) == pytest.approx(whole(learning()), rel=1e-3)


def test_the_parts_of_a_step_add_up_to_what_pretraining_computes() -> None:
    assert average_step(pretraining_parts(pretraining())) == pytest.approx(whole(pretraining()), rel=1e-3)


def test_every_kind_of_step_has_its_part_as_often_as_it_comes() -> None:
    assert {part.name: part.per_step for part in learning_parts(learning())} == pytest.approx({
        "d on patches": 1 / 2, "d on whole images": 1 / 2, "r1 on patches": 1 / 6, "r1 on whole images": 1 / 6,
        "g on patches": 1 / 2, "g on whole images": 1 / 2, "g, mode seeking": 1 / 4, "features": 1,
        "average and rates": 1,
    })  # fmt: skip
    assert {part.name: part.per_step for part in pretraining_parts(pretraining())} == pytest.approx({
        "g": 1, "path": 1 / 2, "d": 1, "r1": 1 / 4, "heads": 1, "average and rates": 1
    })  # fmt: skip


@pytest.mark.parametrize("changed", [{"anchors.every": 1, "path_weight": 2.0}, {"mode_seeking.every": 2}])
def test_other_schedules_add_up_too(changed: dict[str, float]) -> None:
    config = options.changed(LEARN, changed)
    assert average_step(learning_parts(learning(config))) == pytest.approx(whole(learning(config)), rel=1e-3)


def test_measuring_leaves_the_networks_as_they_are() -> None:
    run = learning()
    parts = learning_parts(run)
    before = copy.deepcopy({**run.adapter.state_dict(), **run.discriminator.discriminator.state_dict()})
    for part in parts:
        part.action()
    after = {**run.adapter.state_dict(), **run.discriminator.discriminator.state_dict()}
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
