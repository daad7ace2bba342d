"""Measures one of the program's three kinds of work at a time, so that one at a time is in memory."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli import registry
from lfsgan_cli.adapter import construct
from lfsgan_cli.generation.sampling import sample, usual_batch
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.inference import prepared
from lfsgan_cli.profiling.counters import Peaks, Work, counted, measure_peaks, rounds
from lfsgan_cli.profiling.phases import PhaseCost, learning_parts, pretraining_parts
from lfsgan_cli.system.machine import Machine, this_machine
from lfsgan_cli.system.memory import PeakMemory, keep_freed
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.perceptual import choose, perceptual_distance_to
from lfsgan_cli.training.pretraining import Pretraining
from lfsgan_cli.workspace.workspace import Workspace

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

    def section(self, name: str, batch: int, parts: Callable[[], Sequence[PhaseCost]]) -> Section:
        """Build, measure, let go."""
        memory = PeakMemory(self.device)
        rows = [self._row(name, part) for part in parts()]
        return Section(name, batch, rows, memory.mb, memory.kind)

    def _row(self, section: str, part: PhaseCost) -> Row:
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
    likeness = perceptual_distance_to(pictures, choose(config.likeness), device)
    return Learning(base, adapter, discriminator, list(pictures), likeness, config)


def _pretraining(networks: Networks, device: torch.device, batch: int) -> Pretraining:
    live, average = (copy.deepcopy(networks.generator).to(device) for _ in range(2))
    discriminator = copy.deepcopy(networks.discriminator).to(device)
    pictures = list(_noise_pictures(live.config, batch))
    return Pretraining(live, average, discriminator, pictures, PretrainConfig(batch=batch))


def _drawing(networks: Networks, device: torch.device, batch: int) -> PhaseCost:
    keep_freed()  # as `generate` does
    plain = networks.generator.to(device)  # as fast as any task merged into it
    ready = prepared(plain, plain.w_mean.dtype)
    action, counting = (partial(_draw, generator, batch) for generator in (ready, plain))
    return PhaseCost("one batch", 1.0, action, plain=counting)


def _draw(generator: Generator, batch: int) -> list[Tensor]:
    return list(sample(generator, range(batch), batch=batch))


def _noise_pictures(config: NetworkConfig, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    side = config.resolution
    return np.random.RandomState(0).randint(0, 256, (count, side, side, 3), np.uint8)


# What `lfsgan bench` has to show: machine, peaks, every phase beside its limits, and totals.


@dataclass(frozen=True)
class Line:
    """One row of the table; every number is derived from what was measured.

    of_peak: of what the convolutions' peaks would allow, 0 to 1. bound: arithmetic, memory or overhead.
    """

    section: Section
    row: Row
    peaks: Peaks

    @property
    def share(self) -> float:
        """Of the section's average step."""
        return self.section.share(self.row)

    @property
    def speed(self) -> float:
        """Floating-point operations a second."""
        return self.row.work.flops / self.row.seconds if self.row.seconds else 0.0

    @property
    def of_peak(self) -> float:
        """The time at the convolutions' peaks as a share of the time it took."""
        return self.peaks.arithmetic(self.row.work) / self.row.seconds if self.row.seconds else 0.0

    @property
    def bound(self) -> str:
        """What binds."""
        return self.peaks.bound(self.row.seconds, self.row.work)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: seconds, operations, bytes, shares of one."""
        row = self.row
        return {
            "of": self.section.name, "phase": row.name, "per_step": row.per_step, "seconds": row.seconds,
            "share": self.share, "flop": row.work.flops, "flop_bf16": row.work.half, "bytes": row.work.bytes,
            "flop_per_second": self.speed, "of_peak": self.of_peak, "bound": self.bound,
        }  # fmt: skip


@dataclass(frozen=True)
class Total:
    """One number of the end. unit: what it counts."""

    of: str
    value: float
    unit: str


@dataclass(frozen=True)
class Page:
    """The whole of it. network: the name of what was measured."""

    network: str
    machine: Machine
    peaks: Peaks
    sections: tuple[Section, ...]

    @property
    def lines(self) -> list[Line]:
        """A line for every part of every section."""
        return [Line(section, row, self.peaks) for section in self.sections for row in section.rows]

    def totals(self) -> Iterator[Total]:
        """How fast tasks are learned, bases trained and pictures drawn, and what memory each took."""
        learn, pretrain, drawing = self.sections
        yield Total(learn.name, 1 / learn.step, "steps/s")
        yield Total(learn.name, LearnConfig.steps * learn.step / 60, f"minutes for a task of {LearnConfig.steps} steps")
        for section in (pretrain, drawing):
            yield Total(section.name, section.batch / section.step, f"pictures/s in batches of {section.batch}")
        for section in self.sections:
            if section.memory is not None:
                yield Total(section.name, section.memory, "MB of memory at the most")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "network": self.network,
            "machine": self.machine.to_json(),
            "peaks": self.peaks.to_json(),
            "phases": [line.to_json() for line in self.lines],
            "totals": [{"of": total.of, "value": total.value, "unit": total.unit} for total in self.totals()],
        }


PIECES = 4  # the peaks, and three sections


class Told(Protocol):
    """Is told how far the measuring is: so many pieces more are done, and what comes now."""

    def __call__(self, amount: int = 1, note: str | None = None) -> None:
        """Count and show."""


def measure_page(subject: ProfiledNetworks, device: torch.device, seconds: float, tell: Told) -> Page:
    """Measure everything, each part for so many seconds. tell: gets `PIECES` pieces in all."""
    tell(0, "peaks")
    machine, peaks = this_machine(device), measure_peaks(device, seconds)
    tell(1)
    sections = []
    for section in measure(subject.build(), Meter(device, seconds, lambda note: tell(0, note))):
        sections.append(section)
        tell(1)
    return Page(subject.name, machine, peaks, tuple(sections))


# The networks that are measured: a workspace's base, or random ones of any size.


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator, frozen; whoever trains them takes copies."""

    generator: Generator
    discriminator: Discriminator


@dataclass(frozen=True)
class ProfiledNetworks:
    """Networks by name and shape; `build` makes them."""

    name: str
    config: NetworkConfig
    build: Callable[[], Networks]


def base_of(workspace: Workspace) -> ProfiledNetworks:
    """The base of a workspace; the embedded one where it has none."""
    base = workspace.base
    return ProfiledNetworks(base.name, base.average.config, lambda: Networks(base.average, base.discriminator))


def random_networks(resolution: int) -> ProfiledNetworks:
    """Random weights in the layout of FFHQ's public networks. NetworkConfigError where there is no such resolution."""
    config = NetworkConfig.standard(resolution)
    return ProfiledNetworks(f"random, {resolution}×{resolution}", config, lambda: _random(config))


def _random(config: NetworkConfig) -> Networks:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Networks(build_generator(config), Discriminator(config))
    for network in (networks.generator, networks.discriminator):
        network.requires_grad_(requires_grad=False)
    return networks
