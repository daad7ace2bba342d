"""Drawing a task's recorded seeds, always in one way, and what the bits of that depend on besides the task."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.jobs.runfolder import machine
from lfsgan_cli.jobs.sheets import Pixels, to_arrays
from lfsgan_cli.jobs.styles import Style
from lfsgan_cli.sampling import draw
from lfsgan_cli.workspace import Workspace

SEEDS = range(8)
BATCH = 8  # fixed: another one may round otherwise
STYLE = Style(1.0, "seed")  # no truncation: all that was learned
DRAWN: dict[str, Any] = {**STYLE.note(), "batch": BATCH}  # as a record notes it
ARITHMETIC = 2  # one more whenever this program, or an adapter of its own, rounds otherwise than before


@dataclass(frozen=True)
class Circumstances:
    """What bits may depend on: the device with its name, torch's version, the number of threads, the precision.

    arithmetic: in which order this program computes, see `ARITHMETIC`.
    """

    device: str
    torch: str
    threads: int
    precision: str
    arithmetic: int


def circumstances(device: torch.device) -> Circumstances:
    """Those of this process on a device; `redraw` sees to the precision."""
    here = machine()
    return Circumstances(f"{device.type} ({_hardware(device)})", here["torch"], here["threads"], "fp32", ARITHMETIC)


def redraw(workspace: Workspace, name: str, device: torch.device) -> dict[int, Pixels]:
    """The recorded seeds of a task as uint8 [R, R, 3], in `STYLE`."""
    generator = workspace.generator(name, device)
    with _full_precision():
        batches = draw(generator, SEEDS, truncation=STYLE.truncation, noise=STYLE.noise, batch=BATCH)
        pictures = [picture for batch in batches for picture in to_arrays(batch)]
    return dict(zip(SEEDS, pictures, strict=True))


def digest(picture: Pixels) -> str:
    """SHA-256 (hex) of the pixels, row by row, red, green and blue of each."""
    return hashlib.sha256(picture.tobytes()).hexdigest()


@contextmanager
def _full_precision() -> Iterator[None]:
    # On NVIDIA's devices torch's convolutions round their inputs to 10 bits (TF32) unless told not to.
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _hardware(device: torch.device) -> str:
    match device.type:
        case "cuda":
            return torch.cuda.get_device_name(device)
        case "cpu":
            return f"{_processor()}, {torch.backends.cpu.get_cpu_capability()}"
        case _:
            return platform.machine()


def _processor() -> str:
    """The processor's name where the system tells it, its architecture elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
