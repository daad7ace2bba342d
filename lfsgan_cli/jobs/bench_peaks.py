"""What a machine can do at best, measured: convolutions and copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from lfsgan_cli.jobs.bench_counting import Work
from lfsgan_cli.jobs.bench_timing import rounds

CHANNELS, SIDE, KERNEL = 256, 64, 3  # wide enough for every processor, small enough to be over at once
PICTURES = {"cpu": 4}
MANY_PICTURES = 64  # on anything with more arithmetic than a CPU
COPIED = {"cpu": 2**28}  # bytes, beyond any cache
MUCH_COPIED = 2**30

Bound = Literal["arithmetic", "memory", "overhead"]


@dataclass(frozen=True)
class Peaks:
    """conv_fp32, conv_bf16: floating-point operations a second; copy: bytes read and written a second.

    The fastest run of each counts: whatever else the machine does can only slow it down.
    """

    conv_fp32: float
    conv_bf16: float
    copy: float

    def arithmetic(self, work: Work) -> float:
        """Seconds that its operations take at the convolutions' peaks, each in its own number type."""
        return (work.flops - work.half) / self.conv_fp32 + work.half / self.conv_bf16

    def bound(self, seconds: float, work: Work) -> Bound:
        """What binds a piece of work that took so long.

        Roofline (Williams et al., 2009) without overlap: arithmetic or memory, whichever alone takes longer at its
        peak; where both together explain less than half of the time, it goes into many small operations.
        """
        arithmetic, memory = self.arithmetic(work), work.bytes / self.copy
        if arithmetic + memory < seconds / 2:
            return "overhead"
        return "arithmetic" if arithmetic >= memory else "memory"

    def to_json(self) -> dict[str, float]:
        """As plain JSON values."""
        return asdict(self)


@torch.inference_mode()
def measure_peaks(device: torch.device, seconds: float) -> Peaks:
    """Each for so many seconds."""
    flops = conv_flops(device)
    return Peaks(
        conv_fp32=flops / _fastest(_convolution(device, torch.float32), device, seconds),
        conv_bf16=flops / _fastest(_convolution(device, torch.bfloat16), device, seconds),
        copy=2 * _copied(device) / _fastest(_copy(device), device, seconds),
    )


def conv_flops(device: torch.device) -> int:
    """Operations of the convolution that is measured."""
    return 2 * PICTURES.get(device.type, MANY_PICTURES) * (CHANNELS * KERNEL * SIDE) ** 2


def _convolution(device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    count = PICTURES.get(device.type, MANY_PICTURES)
    x = torch.ones(count, CHANNELS, SIDE, SIDE, device=device, dtype=dtype)
    weight = torch.ones(CHANNELS, CHANNELS, KERNEL, KERNEL, device=device, dtype=dtype)
    x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    return lambda: F.conv2d(x, weight, padding=KERNEL // 2)


def _copied(device: torch.device) -> int:
    return COPIED.get(device.type, MUCH_COPIED)


def _copy(device: torch.device) -> Callable[[], object]:
    source = torch.ones(_copied(device), dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return lambda: target.copy_(source)


def _fastest(action: Callable[[], object], device: torch.device, seconds: float) -> float:
    action()
    return min(rounds(action, device, seconds))
