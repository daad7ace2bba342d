"""What learning a task cost, over all the processes that it took."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.files import write_atomic
from lfsgan_cli.jobs.peakmemory import PeakMemory
from lfsgan_cli.jobs.runfolder import Stopwatch
from lfsgan_cli.report.jsonlines import read_object


@dataclass(frozen=True)
class Cost:
    """Of one task. seconds: of all processes but those that were killed outright.

    processes: how many there were, one that came to it twice counted twice.
    peak_memory_mb: the highest of them, None where the system does not say; peak_memory_of: what that is.
    """

    seconds: float = 0.0
    processes: int = 0
    peak_memory_mb: float | None = None
    peak_memory_of: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def cost(path: Path, task: str) -> Cost:
    """What is noted in a file of costs."""
    return Cost(**read_object(path).get(task, {}))


@contextmanager
def spending(path: Path, task: str, device: torch.device) -> Iterator[Callable[[], Cost]]:
    """Add what the block takes to the costs of a task, however it ends. The block is given what tells them so far."""
    before = cost(path, task)
    note(path, task, replace(before, processes=before.processes + 1))  # a process that is killed was there nevertheless
    memory, watch = PeakMemory(device), Stopwatch()

    def so_far() -> Cost:
        peaks = [one for one in (before.peak_memory_mb, memory.mb) if one is not None]
        seconds = round(before.seconds + watch.seconds, 1)
        return Cost(seconds, before.processes + 1, max(peaks, default=None), memory.kind)

    try:
        yield so_far
    finally:
        note(path, task, so_far())


def note(path: Path, task: str, spent: Cost) -> None:
    """Write down what a task cost, beside the other tasks' costs."""
    costs = {**read_object(path), task: spent.to_json()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(costs, indent=2, sort_keys=True) + "\n").encode())
