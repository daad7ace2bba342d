"""The machine: processor, device, versions, and its memory (peak of some work, what is free, a budget for files)."""

from __future__ import annotations

import ctypes
import gc
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Machine:
    """device: with the name of a GPU. cores: those that this process may use. memory: bytes; None where unknown."""

    device: str
    cpu: str
    cores: int
    threads: int
    torch: str
    memory: int | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def this_machine(device: torch.device) -> Machine:
    """The one that this process runs on."""
    name, memory = str(device), _memory()
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name, memory = f"{device} ({properties.name})", properties.total_memory
    return Machine(name, _cpu(), usable_cores(), torch.get_num_threads(), torch.__version__, memory)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows; a system that knows neither name
        return None


def hardware(device: torch.device) -> str:
    """The kind and the model of a device, which bits may depend on: 'cuda (NVIDIA H200)'."""
    match device.type:
        case "cuda":
            return f"cuda ({torch.cuda.get_device_name(device)})"
        case "cpu":
            return f"cpu ({_cpu()}, {torch.backends.cpu.get_cpu_capability()})"
        case kind:
            return f"{kind} ({platform.machine()})"


def machine() -> dict[str, Any]:
    """Versions and settings that numbers and bytes may depend on, as plain JSON values."""
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }


_RESET = Path("/proc/self/clear_refs")  # Linux: writing 5 sets the process's peak back to what it holds now
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"

DEVICE = "allocated on the GPU while the task was learned"
STEP = "resident in the process while the task was learned, with all that it held before"
PROCESS = "resident in the process since it started: this system cannot tell for one task"


class PeakMemory:
    """Measures from when it is made. kind: what `mb` is measured of."""

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
        if self.kind == DEVICE:
            found: float | None = torch.cuda.max_memory_allocated(self._device)
        else:
            found = _resident_peak() if self.kind == STEP else _peak_since_start()
        return None if found is None else round(found / 1e6, 1)


def _reset() -> bool:
    try:
        _RESET.write_text(_RESET_PEAK, encoding="ascii")
    except OSError:  # another system, or a container that does not allow it
        return False
    return _resident_peak() is not None


def _resident_peak() -> float | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return float(sizes[0]) * 1024 if sizes else None


def _peak_since_start() -> float | None:
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def available_memory() -> int | None:
    """Bytes that programs can have without pushing others out; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kib[0]) * 1024 if kib else None


# A budget: the header of an untrusted file may claim tensors of any size.

_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)


class OverBudgetError(Exception):
    """More numbers were asked for than the budget allows; the caller words the error."""


class Budget(TorchFunctionMode):
    """While this block lasts, torch's factory functions create at most `numbers` numbers in all; OverBudgetError.

    Raised before any memory is taken.
    """

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.left = numbers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count what is asked for, then create it."""
        options = kwargs or {}
        if func in _FACTORIES:
            # `(2, 3)`, `2, 3` or `size=(2, 3)`
            size = options.get("size", args[0] if args and isinstance(args[0], Sequence) else args)
            self.left -= math.prod(number for number in size if isinstance(number, int))
            if self.left < 0:
                raise OverBudgetError
        return func(*args, **options)


# The numbers of two settings of glibc's allocator (malloc.h), and one that no feature map exceeds.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1


def keep_freed() -> bool:
    """Keep freed memory in the process, for the next batch, until it ends. Whether that could be set: only under glibc.

    Large feature maps otherwise come from the system whenever they are made, and it clears each page anew.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, LARGEST))
