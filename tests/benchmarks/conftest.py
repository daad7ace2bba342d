"""What is timed, beside a yardstick: machines differ, so a benchmark's result is a ratio.

`python -m tests.benchmarks --against` runs these files on other commits' code: they use what hardly ever changes.
"""

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lfsgan_adapters.left import LeFT
from pytest_benchmark.fixture import BenchmarkFixture

import lfsgan_cli
from lfsgan_cli import options
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.loop import TrainingLoop
from lfsgan_cli.training.perceptual import perceptual_distance_to
from lfsgan_cli.training.pretraining import Pretraining
from lfsgan_cli.workspace.base_file import Base
from lfsgan_cli.workspace.workspace import Workspace

ROUNDS, WARMUP = 7, 2  # the first rounds find no large pages yet
CPU_TIME = time.process_time  # on one thread it is the time that an idle machine takes, and others disturb it little
SHOTS = 10
PRETRAIN_BATCH = 4

Action = Callable[[], object]


@dataclass(frozen=True)
class Timed:
    """Times an action against a yardstick, in rounds of one of each; the ratios are what is kept."""

    benchmark: BenchmarkFixture
    yardstick: Action
    timer: Callable[[], float]  # the same as the benchmark's

    def __call__(self, action: Action, *, less: Action | None = None) -> None:
        """less: another action, whose time is taken off."""
        yards: list[float] = []
        taken_off: list[float] = []

        def before() -> None:
            yards.append(self._seconds(self.yardstick))
            taken_off.append(self._seconds(less) if less else 0.0)

        timed: Any = self.benchmark  # untyped where it matters
        timed.pedantic(action, setup=before, rounds=ROUNDS, warmup_rounds=WARMUP)
        if self.benchmark.stats is None:  # --benchmark-disable
            return
        durations = self.benchmark.stats.stats.data
        rounds = zip(durations, taken_off[-ROUNDS:], yards[-ROUNDS:], strict=True)
        ratios = [(seconds - off) / yard for seconds, off, yard in rounds]
        self.benchmark.extra_info.update(ratios=ratios, package=str(Path(lfsgan_cli.__file__).parent.parent))

    def _seconds(self, action: Action) -> float:
        start = self.timer()
        action()
        return self.timer() - start


@pytest.fixture
def against_a_convolution(benchmark: BenchmarkFixture) -> Timed:
    """The yardstick of all that computes: from 128 to 128 channels, 3×3, four images of 64×64."""
    x, weight = torch.ones(4, 128, 64, 64), torch.ones(128, 128, 3, 3)
    return Timed(benchmark, lambda: F.conv2d(x, weight, padding=1), CPU_TIME)


@pytest.fixture
def against_an_empty_program(benchmark: BenchmarkFixture) -> Timed:
    """The yardstick of starting."""
    command = [sys.executable, "-c", "pass"]
    return Timed(benchmark, lambda: subprocess.run(command, check=True), time.perf_counter)


@dataclass(frozen=True)
class Steps:
    """A run whose steps can be taken in any order: its learning rates are zero, so nothing changes."""

    run: TrainingLoop

    def step(self, number: int) -> Action:
        """All phases that a step of this number has."""
        due = [phase for phase in self.run.phases if number % phase.every == 0]
        return lambda: [phase.update(number) for phase in due]

    def phase(self, name: str, number: int) -> Action:
        """One phase, as it is in a step of this number."""
        [phase] = [phase for phase in self.run.phases if phase.name == name]
        return lambda: phase.update(number)


@pytest.fixture(scope="session")
def base() -> Base:
    """The embedded base; whoever trains it takes copies."""
    return Workspace(Path("no-workspace-is-here")).base


@pytest.fixture(scope="session")
def learning(base: Base) -> Steps:
    """The default recipe on noise images."""
    generator, discriminator = base.average, copy.deepcopy(base.discriminator)  # learning leaves the base alone
    pictures = _noise_pictures(SHOTS)
    likeness = perceptual_distance_to(pictures, "efficientnet-lite0", torch.device("cpu"))
    config = options.changed(
        LearnConfig(), {"anchors.candidates": 0}
    )  # few latents to choose among: that is before the first step
    adapter = LeFT(generator, LeFT.Config())
    return _standing_still(Learning(generator, adapter, discriminator, list(pictures), likeness, config))


@pytest.fixture(scope="session")
def pretraining(base: Base) -> Steps:
    """The default recipe at a small batch, on noise images."""
    mine = copy.deepcopy(base)
    pictures = list(_noise_pictures(PRETRAIN_BATCH))
    config = PretrainConfig(batch=PRETRAIN_BATCH)
    return _standing_still(Pretraining(mine.live, mine.average, mine.discriminator, pictures, config))


def _noise_pictures(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.RandomState(0).randint(0, 256, (count, 64, 64, 3), np.uint8)


def _standing_still(run: TrainingLoop) -> Steps:
    run.begin()
    for optimizer in run.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = 0.0
    for phase in run.phases:
        for parameter in phase.parameters:
            parameter.requires_grad = False
    run.phases[0].update(0)  # the discriminator's, which reads the images that R1 looks at
    return Steps(run)
