"""The machine that numbers were computed on: processor, memory, device and versions."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch


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
