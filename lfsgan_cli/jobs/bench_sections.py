"""Measures one of the program's three kinds of work at a time, so that one at a time is in memory."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli import registry
from lfsgan_cli.adapter import construct
from lfsgan_cli.batching import usual_batch
from lfsgan_cli.heap import keep_freed
from lfsgan_cli.jobs.bench_counting import Work, counted
from lfsgan_cli.jobs.bench_networks import Networks
from lfsgan_cli.jobs.bench_phases import Part, learning_parts, pretraining_parts
from lfsgan_cli.jobs.bench_timing import rounds
from lfsgan_cli.jobs.likeness import choose, likeness_to
from lfsgan_cli.jobs.peakmemory import PeakMemory
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.prepared import prepared
from lfsgan_cli.sampling import draw
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.learn import Learning
from lfsgan_cli.training.pretrain import Pretraining

SHOTS = 10
ADAPTER = "left"
BATCH = 16
WIDEST = 128  # side up to which a batch of 16 fits everywhere; beyond it, as many pixels as there


@dataclass(frozen=True)
class Row:
    """A part as it was measured: the median of its rounds in seconds, and what it takes to do it once."""

    name: str
    per_step: float
    seconds: float
    work: Work


@dataclass(frozen=True)
class Section:
    """batch: pictures in a step. memory: megabytes at the most, None where the system does not say; memory_of: what."""

    name: str
    batch: int
    rows: Sequence[Row]
    memory: float | None
    memory_of: str

    @property
    def step(self) -> float:
        """Seconds that a step takes, on average over the schedule."""
        return sum(row.per_step * row.seconds for row in self.rows)

    def share(self, row: Row) -> float:
        """Of a row in a step's time, on average over the schedule; all of them add up to one."""
        return row.per_step * row.seconds / self.step


@dataclass(frozen=True)
class Meter:
    """Where and how long is measured. say: told what is being measured."""

    device: torch.device
    seconds: float
    say: Callable[[str], None]

    def section(self, name: str, batch: int, parts: Callable[[], Sequence[Part]]) -> Section:
        """Build, measure, let go."""
        memory = PeakMemory(self.device)
        rows = [self._row(name, part) for part in parts()]
        return Section(name, batch, rows, memory.mb, memory.kind)

    def _row(self, section: str, part: Part) -> Row:
        self.say(f"{section}: {part.name}")
        seconds, work = self._cost(part.action, part.plain or part.action)
        if part.without:
            less_seconds, less_work = self._cost(part.without, part.without)
            seconds, work = max(0.0, seconds - less_seconds), work - less_work
        return Row(part.name, part.per_step, seconds, work)

    def _cost(self, action: Callable[[], object], plain: Callable[[], object]) -> tuple[float, Work]:
        work = counted(plain)  # which warms up
        if plain is not action:
            action()
        return statistics.median(rounds(action, self.device, self.seconds)), work


def measure(networks: Networks, meter: Meter) -> Iterator[Section]:
    """Learning a task by the default recipe, pretraining, drawing."""
    batch = affordable(networks.generator.config)
    yield meter.section("learn-task", LearnConfig.batch, lambda: learning_parts(_learning(networks, meter.device)))
    yield meter.section("pretrain", batch, lambda: pretraining_parts(_pretraining(networks, meter.device, batch)))
    drawn = usual_batch(networks.generator.config, meter.device)
    yield meter.section("drawing", drawn, lambda: [_drawing(networks, meter.device, drawn)])


def affordable(config: NetworkConfig) -> int:
    """How many pictures are trained on at once: 16, and fewer where they are large."""
    return max(1, min(BATCH, BATCH * WIDEST**2 // config.resolution**2))


def _learning(networks: Networks, device: torch.device) -> Learning:
    base, discriminator = networks.generator.to(device), copy.deepcopy(networks.discriminator).to(device)
    pictures = _noise_pictures(base.config, SHOTS)
    kind = registry.load(ADAPTER)
    adapter = construct(kind, base, kind.Config()).to(device)
    config = replace(LearnConfig(), anchor_candidates=0)  # as few as can be: they are drawn before the first step
    likeness = likeness_to(pictures, choose(config.likeness), device)
    return Learning(base, adapter, discriminator, list(pictures), likeness, config)


def _pretraining(networks: Networks, device: torch.device, batch: int) -> Pretraining:
    live, average = (copy.deepcopy(networks.generator).to(device) for _ in range(2))
    discriminator = copy.deepcopy(networks.discriminator).to(device)
    pictures = list(_noise_pictures(live.config, batch))
    return Pretraining(live, average, discriminator, pictures, PretrainConfig(batch=batch))


def _drawing(networks: Networks, device: torch.device, batch: int) -> Part:
    keep_freed()  # as `generate` does
    plain = networks.generator.to(device)  # as fast as any task merged into it
    ready = prepared(plain, plain.w_mean.dtype)
    action, counting = (partial(_draw, generator, batch) for generator in (ready, plain))
    return Part("one batch", 1.0, action, plain=counting)


def _draw(generator: Generator, batch: int) -> list[Tensor]:
    return list(draw(generator, range(batch), batch=batch))


def _noise_pictures(config: NetworkConfig, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    side = config.resolution
    return np.random.RandomState(0).randint(0, 256, (count, side, side, 3), np.uint8)
