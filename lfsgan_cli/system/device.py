"""Devices and the precision of feature maps, chosen from the user's words; settings that torch reads when imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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


def prepare() -> None:
    """Set the environment variables that torch reads when it is imported; whatever the user has set stays."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def pick(name: str) -> torch.device:
    """The device of that name, ready for use; `auto` is the first of cuda, mps and cpu that is there. DeviceError.

    A CUDA device becomes the current one, and TF32 is switched off: torch's convolutions would round their inputs to
    10 bits of mantissa, and fp32 would not mean fp32. (torch itself leaves TF32 off in matrix products.)
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
