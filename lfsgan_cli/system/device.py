"""Which device computes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    import torch


class DeviceError(LfsganError):
    """A device that is not there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"device {name!r}: {reason}; take one of auto, cpu, cuda, cuda:N, mps")


def pick(name: str) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps and cpu that is there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(name, "no such device") from error
    _check(device, name)
    return device


def _check(device: torch.device, name: str) -> None:
    import torch

    match device.type:
        case "cpu":
            return
        case "cuda" if torch.cuda.is_available():
            if (device.index or 0) >= torch.cuda.device_count():
                raise DeviceError(name, f"this machine has {torch.cuda.device_count()} of them")
        case "mps" if _has_mps():
            return
        case _:
            raise DeviceError(name, "not available on this machine or in this build of torch")


def _has_mps() -> bool:
    import torch

    return torch.backends.mps.is_available()


# In which number type feature maps are computed; weights, styles and regularizers stay in single precision.


LEAST_SIDE = 128  # pixels; below it a few minutes' run gains little (docs/performance.md)


def choose(choice: Choice, device: torch.device, side: int) -> Precision:
    """What is meant for pictures of `side` pixels: `auto` takes bf16 where the device multiplies it directly."""
    if choice != "auto":
        return choice
    return "bf16" if side >= LEAST_SIDE and _multiplies_bf16(device) else "fp32"


def dtype_of(precision: Precision, own: torch.dtype) -> torch.dtype:
    """The type of the feature maps in a network whose weights are of the type `own`: that one, or bfloat16."""
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


# Settings that torch reads once, when it is imported; whatever the user has set stands.


SETTINGS = {
    # Large pages: on a CPU, page faults cost more than many an operation on fresh memory.
    "THP_MEM_ALLOC_ENABLE": "1",
    # What a Mac's GPU cannot do yet, such as the gradient of a distance, is done on its CPU.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
}


def prepare() -> None:
    """Call before torch is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


# The names of the number types that feature maps are computed in (no torch).


Precision: TypeAlias = Literal["fp32", "bf16"]
Choice: TypeAlias = Literal["auto", "fp32", "bf16"]
