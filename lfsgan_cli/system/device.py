"""Devices and the precision of feature maps, chosen from the user's words; settings that torch reads when imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    import torch

Precision: TypeAlias = Literal["fp32", "bf16"]
Choice: TypeAlias = Literal["auto", "fp32", "bf16"]

BF16_FROM = 128  # pixels; below it a run of a few minutes gains little (docs/performance.md)
SETTINGS = {
    # Large pages: on a CPU, page faults cost more than many an operation on fresh memory.
    "THP_MEM_ALLOC_ENABLE": "1",
    # What a Mac's GPU cannot do yet, such as the gradient of a distance, runs on its CPU.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
}


class DeviceError(LfsganError):
    """A device that is not there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"device {name!r}: {reason}; use one of auto, cpu, cuda, cuda:N, mps")


@dataclass(frozen=True)
class Launch:
    """The place of this process among those that torchrun started. count: of all; local: on this machine."""

    rank: int
    count: int
    local_rank: int
    local_count: int


def launched() -> Launch | None:
    """What torchrun says; None without it, and for a process that it started alone. Needs no torch."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    launch = Launch(*(int(os.environ[name]) for name in names))
    return launch if launch.count > 1 else None


def prepare() -> None:
    """Set the environment variables that torch reads when it is imported; whatever the user has set stays."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def pick(name: str) -> torch.device:
    """The device of that name, ready for use; `auto` is the first of cuda, mps and cpu that is there. DeviceError.

    A CUDA device becomes the current one, and TF32 is switched off: torch's convolutions would round their inputs to
    10 bits of mantissa, and fp32 would not mean fp32. (torch itself leaves TF32 off in matrix products.) Of the
    processes that torchrun started, each has a GPU of its own.
    """
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    found = ("cuda" if has_cuda else "mps" if has_mps else "cpu") if name == "auto" else name
    try:
        device = torch.device(found)
    except RuntimeError as error:
        raise DeviceError(name, "no such device") from error
    if not {"cpu": True, "cuda": has_cuda, "mps": has_mps}.get(device.type, False):
        raise DeviceError(name, "not available on this machine or in this build of torch")
    launch = launched()
    if launch is not None and device.type != "cpu":
        device = _shared_out(name, device, launch)
    if device.type == "cuda":
        if (device.index or 0) >= torch.cuda.device_count():
            raise DeviceError(name, f"this machine has {torch.cuda.device_count()} of them")
        torch.cuda.set_device(device)  # streams and random states without an index are this one's
        torch.backends.cudnn.allow_tf32 = False
    return device


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads of the CPU while the block runs; None leaves them as they are.

    Another number of threads sums in another order, so that training ends in other bytes.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shared_out(name: str, device: torch.device, launch: Launch) -> torch.device:
    """The GPU of one of several processes; DeviceError where they would have to share one."""
    import torch

    if launch.local_count == 1:
        return device
    known = torch.cuda.device_count() if device.type == "cuda" else 1
    if ":" in name or known < launch.local_count:
        one = "names one GPU" if ":" in name else f"this machine has {known} of them"
        raise DeviceError(name, f"{one}, and torchrun started {launch.local_count} processes, which need one each")
    return torch.device(device.type, launch.local_rank)


def choose(choice: Choice, device: torch.device, side: int) -> Precision:
    """The precision of feature maps for images of `side` pixels: `auto` is bf16 where the device multiplies it itself.

    Weights, styles and regularizers stay in fp32.
    """
    if choice != "auto":
        return choice
    return "bf16" if side >= BF16_FROM and _multiplies_bf16(device) else "fp32"


def dtype_of(precision: Precision, own: torch.dtype) -> torch.dtype:
    """The dtype of the feature maps in a network whose weights have the dtype `own`: that one, or bfloat16."""
    import torch

    return {"fp32": own, "bf16": torch.bfloat16}[precision]


def _multiplies_bf16(device: torch.device) -> bool:
    import torch

    match device.type:
        case "cpu":
            # The public `get_capabilities` came with a later torch than the oldest that is supported.
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case _:
            return False
