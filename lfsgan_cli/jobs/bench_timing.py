"""How long an action takes on a device."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

LEAST = 2  # rounds, however long they take


def rounds(action: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """The duration in seconds of each of as many runs as fit into `seconds`, at least two; warm it up before."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    wait(device)
    while len(durations) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        action()
        wait(device)
        durations.append(time.perf_counter() - start)
    return durations


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
