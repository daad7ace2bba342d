"""What `lfsgan bench` has to show: machine, peaks, every phase beside its limits, and totals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from lfsgan_cli.jobs.bench_machine import Machine, this_machine
from lfsgan_cli.jobs.bench_networks import Subject
from lfsgan_cli.jobs.bench_peaks import Peaks, measure_peaks
from lfsgan_cli.jobs.bench_sections import Meter, Row, Section, measure
from lfsgan_cli.training.config import LearnConfig


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


def measure_page(subject: Subject, device: torch.device, seconds: float, tell: Told) -> Page:
    """Measure everything, each part for so many seconds. tell: gets `PIECES` pieces in all."""
    tell(0, "peaks")
    machine, peaks = this_machine(device), measure_peaks(device, seconds)
    tell(1)
    sections = []
    for section in measure(subject.build(), Meter(device, seconds, lambda note: tell(0, note))):
        sections.append(section)
        tell(1)
    return Page(subject.name, machine, peaks, tuple(sections))
