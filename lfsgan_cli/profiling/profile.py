"""Profiles the three workloads (learn-task, pretrain, generate) phase by phase, one in memory at a time."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
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
from lfsgan_cli.profiling.counters import Bound, Peaks, Work, counted, measure_peaks, time_runs
from lfsgan_cli.profiling.phases import PhaseCost, learning_parts, pretraining_parts
from lfsgan_cli.system.machine import Machine, PeakMemory, keep_freed, this_machine
from lfsgan_cli.training.config import AnchorsConfig, LearnConfig, PretrainConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.perceptual import perceptual_distance_to
from lfsgan_cli.training.pretraining import Pretraining
from lfsgan_cli.workspace.workspace import Workspace

FEW_SHOTS = 10  # training images of the profiled task
ADAPTER = "left"
BATCH = 16
FULL_BATCH_SIDE = 128  # largest resolution at which a batch of 16 fits everywhere; beyond it, as many pixels as there
PARTS = 4  # what `progress` counts: the peaks, and three workloads


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator, frozen; training takes copies."""

    generator: Generator
    discriminator: Discriminator


@dataclass(frozen=True)
class ProfiledNetworks:
    """The name of the networks to profile, and a function that builds them."""

    name: str
    build: Callable[[], Networks]


def base_of(workspace: Workspace) -> ProfiledNetworks:
    """The base of a workspace; the embedded one where it has none."""
    base = workspace.base
    return ProfiledNetworks(base.name, lambda: Networks(base.average, base.discriminator))


def random_networks(resolution: int) -> ProfiledNetworks:
    """Random weights with the layer widths of NVIDIA's FFHQ networks. NetworkConfigError for no such resolution."""
    config = NetworkConfig.standard(resolution)

    def build() -> Networks:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            networks = Networks(build_generator(config), Discriminator(config))
        for network in (networks.generator, networks.discriminator):
            network.requires_grad_(requires_grad=False)
        return networks

    return ProfiledNetworks(f"random, {resolution}×{resolution}", build)


@dataclass(frozen=True)
class MeasuredPhase:
    """A phase as measured: median seconds of one run, and the work of one run."""

    name: str
    per_step: float
    seconds: float
    work: Work


@dataclass(frozen=True)
class Workload:
    """batch: images of a step. memory: peak in MB, None where the system does not tell; memory_of: of what it is."""

    name: str
    batch: int
    phases: Sequence[MeasuredPhase]
    memory: float | None
    memory_of: str

    @property
    def step(self) -> float:
        """Seconds of a step, on average over the schedule."""
        return sum(phase.per_step * phase.seconds for phase in self.phases)


@dataclass(frozen=True)
class ProfileRow:
    """One row of the table, named as in the JSON document. Seconds, operations, bytes; shares are 0 to 1.

    share: of the workload's average step. of_peak: of what the peaks of the convolutions allow.
    """

    of: str
    phase: str
    per_step: float
    seconds: float
    share: float
    flop: int
    flop_bf16: int
    bytes: int
    flop_per_second: float
    of_peak: float
    bound: Bound


@dataclass(frozen=True)
class Total:
    """One summary number. of: its workload; unit: what it counts."""

    of: str
    value: float
    unit: str


@dataclass(frozen=True)
class Profile:
    """A whole profile. network: the name of the profiled networks; workloads: learn-task, pretrain, generate."""

    network: str
    machine: Machine
    peaks: Peaks
    workloads: tuple[Workload, ...]

    @property
    def rows(self) -> list[ProfileRow]:
        """A row for every phase of every workload."""
        return [self._row(workload, phase) for workload in self.workloads for phase in workload.phases]

    def _row(self, workload: Workload, phase: MeasuredPhase) -> ProfileRow:
        work, seconds = phase.work, phase.seconds
        return ProfileRow(
            of=workload.name, phase=phase.name, per_step=phase.per_step, seconds=seconds,
            share=phase.per_step * seconds / workload.step,
            flop=work.flops, flop_bf16=work.half, bytes=work.bytes,
            flop_per_second=work.flops / seconds if seconds else 0.0,
            of_peak=self.peaks.arithmetic(work) / seconds if seconds else 0.0,
            bound=self.peaks.bound(seconds, work),
        )  # fmt: skip

    def totals(self) -> Iterator[Total]:
        """Speed of learning, pretraining and generating, and the peak memory of each."""
        learn, *others = self.workloads
        yield Total(learn.name, 1 / learn.step, "steps/s")
        yield Total(learn.name, LearnConfig.steps * learn.step / 60, f"minutes for a task of {LearnConfig.steps} steps")
        for workload in others:
            yield Total(workload.name, workload.batch / workload.step, f"images/s in batches of {workload.batch}")
        for workload in self.workloads:
            if workload.memory is not None:
                yield Total(workload.name, workload.memory, "MB of memory at peak")

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "network": self.network,
            "machine": self.machine.to_json(),
            "peaks": self.peaks.to_json(),
            "phases": [asdict(row) for row in self.rows],
            "totals": [asdict(total) for total in self.totals()],
        }


class ProgressCallback(Protocol):
    """Called with the number of finished parts, and with what is measured now."""

    def __call__(self, amount: int = 1, note: str | None = None) -> None:
        """Count and show."""


def profile(subject: ProfiledNetworks, device: torch.device, seconds: float, progress: ProgressCallback) -> Profile:
    """Measure everything, each phase for so many seconds. progress: gets `PARTS` parts in all."""
    progress(0, "peaks")
    machine, peaks = this_machine(device), measure_peaks(device, seconds)
    progress(1)
    networks = subject.build()
    config = networks.generator.config
    # At large resolutions, as many pixels in a batch as 16 images of FULL_BATCH_SIDE have.
    batch, drawn = training_batch(config), usual_batch(config, device)
    builders: tuple[tuple[str, int, Callable[[], list[PhaseCost]]], ...] = (
        ("learn-task", LearnConfig.batch, lambda: learning_parts(_learning(networks, device))),
        ("pretrain", batch, lambda: pretraining_parts(_pretraining(networks, device, batch))),
        ("generate", drawn, lambda: [_generation(networks, device, drawn)]),
    )
    workloads = []
    for name, size, build in builders:
        memory, phases = PeakMemory(device), []
        for part in build():
            progress(0, f"{name}: {part.name}")
            phases.append(_measured(part, device, seconds))
        workloads.append(Workload(name, size, phases, memory.mb, memory.kind))
        progress(1)
    return Profile(subject.name, machine, peaks, tuple(workloads))


def _measured(part: PhaseCost, device: torch.device, seconds: float) -> MeasuredPhase:
    def cost(action: Callable[[], object], plain: Callable[[], object]) -> tuple[float, Work]:
        work = counted(plain)  # which warms up
        if plain is not action:
            action()
        return statistics.median(time_runs(action, device, seconds)), work

    taken, work = cost(part.action, part.plain or part.action)
    if part.without:
        less_taken, less_work = cost(part.without, part.without)
        taken, work = max(0.0, taken - less_taken), work - less_work
    return MeasuredPhase(part.name, part.per_step, taken, work)


def training_batch(config: NetworkConfig) -> int:
    """Images of a pretraining step: 16, and fewer at large resolutions."""
    return max(1, min(BATCH, BATCH * FULL_BATCH_SIDE**2 // config.resolution**2))


def _learning(networks: Networks, device: torch.device) -> Learning:
    base, discriminator = networks.generator.to(device), copy.deepcopy(networks.discriminator).to(device)
    images = _noise_images(base.config, FEW_SHOTS)
    kind = registry.load(ADAPTER)
    adapter = construct(kind, base, kind.Config()).to(device)
    config = LearnConfig(anchors=AnchorsConfig(candidates=0))  # the fewest: they are generated before the first step
    distance = perceptual_distance_to(images, config.perceptual, device)
    return Learning(base, adapter, discriminator, list(images), distance, config)


def _pretraining(networks: Networks, device: torch.device, batch: int) -> Pretraining:
    raw, average = (copy.deepcopy(networks.generator).to(device) for _ in range(2))
    discriminator = copy.deepcopy(networks.discriminator).to(device)
    images = list(_noise_images(raw.config, batch))
    return Pretraining(raw, average, discriminator, images, PretrainConfig(batch=batch))


def _generation(networks: Networks, device: torch.device, batch: int) -> PhaseCost:
    keep_freed()  # as `generate` does

    def run(generator: Generator) -> list[Tensor]:
        return list(sample(generator, range(batch), batch=batch))

    plain = networks.generator.to(device)  # as fast as any task merged into it
    ready = prepared(plain, plain.w_mean.dtype)
    return PhaseCost("one batch", 1.0, partial(run, ready), plain=partial(run, plain))


def _noise_images(config: NetworkConfig, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    side = config.resolution
    return np.random.RandomState(0).randint(0, 256, (count, side, side, 3), np.uint8)
