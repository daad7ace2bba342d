"""The most memory that a piece of work takes, and of what that is measured."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import torch

_RESET = Path("/proc/self/clear_refs")  # Linux: writing 5 sets the process's peak back to what it holds now
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"

DEVICE = "allocated on the GPU while the task was learned"
STEP = "resident in the process while the task was learned, with all that it held before"
PROCESS = "resident in the process since it started: this system cannot tell for one task"


class PeakMemory:
    """Watches from when it is made. kind: what `mb` is of."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        gc.collect()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.kind = DEVICE
        else:
            self.kind = STEP if _reset() else PROCESS

    @property
    def mb(self) -> float | None:
        """Megabytes (10^6 bytes) at most so far; None where the system does not say."""
        found = _on_device(self._device) if self.kind == DEVICE else _resident(since_start=self.kind == PROCESS)
        return None if found is None else round(found / 1e6, 1)


def _reset() -> bool:
    try:
        _RESET.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:  # another system, or a container that does not allow it
        return False
    return _resident(since_start=False) is not None


def _on_device(device: torch.device) -> float:
    return float(torch.cuda.max_memory_allocated(device))


def _resident(*, since_start: bool) -> float | None:
    if since_start:
        return _since_start()
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return float(sizes[0]) * 1024 if sizes else None


def _since_start() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit
