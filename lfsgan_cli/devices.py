"""Which device computes."""

from __future__ import annotations

import torch

from lfsgan_cli.errors import LfsganError


class DeviceError(LfsganError):
    """A device that is not there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"device {name!r}: {reason}; take one of auto, cpu, cuda, cuda:N, mps")


def pick(name: str) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps and cpu that is there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(name, "no such device") from error
    _check(device, name)
    return device


def _check(device: torch.device, name: str) -> None:
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
    return torch.backends.mps.is_available()
