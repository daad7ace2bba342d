"""What learning a task cost, over all the processes that it took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.files import write_atomic
from lfsgan_cli.jobs.peakmemory import PeakMemory
from lfsgan_cli.jobs.runfolder import Stopwatch
from lfsgan_cli.report.jsonlines import read_object


@dataclass(frozen=True)
class Cost:
    """Of one task. seconds: of all processes but those that were killed outright; processes: how many there were.

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
def spending(path: Path, task: str, device: torch.device) -> Iterator[None]:
    """Add what the block takes to the costs of a task, however it ends."""
    before = cost(path, task)
    begun = Cost(before.seconds, before.processes + 1, before.peak_memory_mb, before.peak_memory_of)
    _note(path, task, begun)  # a process that is killed was there nevertheless
    memory, watch = PeakMemory(device), Stopwatch()
    try:
        yield
    finally:
        known = [one for one in (before.peak_memory_mb, memory.mb) if one is not None]
        seconds = round(before.seconds + watch.seconds, 1)
        _note(path, task, Cost(seconds, begun.processes, max(known, default=None), memory.kind))


def _note(path: Path, task: str, spent: Cost) -> None:
    costs = {**read_object(path), task: spent.to_json()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(costs, indent=2, sort_keys=True) + "\n").encode())
