"""Task files of the public LFS-GAN code: what their tensors tell, and how such a file is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.checkpoints import torch_file
from lfsgan_cli.checkpoints.checkpoint import CheckpointError, without_prefix
from lfsgan_cli.io.files import open_plain
from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError

PART = "g_ema"  # so named, although it holds the live tensors
INFIX = ".weight_modulation."
TELLING = 100  # characters of a name that messages show; a damaged file may have any
EXPECTED = "expected a task file of the public LFS-GAN code"
_SUMS = ("w_add", "b_add")
_DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


@dataclass(frozen=True)
class PublishedTask:
    """A task of the public code, under its own names; network: of the base that it was learned on."""

    tensors: Mapping[str, Tensor]
    network: NetworkConfig
    rank: int
    additive: bool

    @property
    def negative_gates(self) -> float:
        """Share of the gates of convolutions below zero: what the activation cuts off, if the task has one.

        The file does not tell that. Ask for it once all tensors are known to be there and of the right shapes.
        """
        gates = torch.cat([_gates(self, layer).flatten() for layer in _convolutions(self.tensors)])
        return float((gates < 0).double().mean())


def read(path: Path) -> PublishedTask:
    """A task file, its tensors in fp32 on the CPU; CheckpointError for every other file."""
    tensors = _tensors(path, _load(path))
    try:
        return PublishedTask(tensors, _network(tensors), _rank(tensors), _additive(tensors))
    except (KeyError, IndexError, NetworkConfigError) as error:
        raise CheckpointError(
            path, f"is no whole task file of the public LFS-GAN code ({_reason(error)})", "take an undamaged copy"
        ) from error


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a task file as the public code does; names are its own. FileWriteError where that cannot be done."""
    torch_file.save(path, {PART: {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}})


def _load(path: Path) -> Any:
    try:
        with open_plain(path) as file:
            head = file.read(torch_file.HEAD_BYTES)
    except OSError as error:
        raise CheckpointError(path, f"cannot be read: {error.strerror or error}", EXPECTED) from error
    torch_file.check_kind(path, head)
    if torch_file.is_torch(head):
        return torch_file.load(path)
    if head[8:9] == b"{":
        raise CheckpointError(
            path,
            "is a safetensors file",
            "a task of lfsgan goes into the folder `tasks` of its base's workspace as it is",
        )
    raise CheckpointError(path, "is no file that torch.save wrote", EXPECTED)


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    part = content.get(PART) if isinstance(content, dict) else None
    if not isinstance(part, dict) or not part or not all(isinstance(name, str) for name in part):
        raise CheckpointError(path, f"holds no {PART!r} with named tensors", EXPECTED)
    part = without_prefix(part, f"style.1{INFIX}w_mul_in_dim")
    foreign = [name for name in part if INFIX not in name]
    if foreign:
        raise _stranger(path, foreign)
    for name, value in part.items():
        _check(path, name, value)
    torch_file.check_distinct(path, part.values())
    return {name: value.detach().float() for name, value in part.items()}


def _stranger(path: Path, names: list[str]) -> CheckpointError:
    if any(name.endswith("input.input") for name in names):
        return CheckpointError(path, "is a base, not a task", "read it with `lfsgan base import`")
    return CheckpointError(path, f"holds the tensor {names[0][:TELLING]!r}, which belongs to no task", EXPECTED)


def _check(path: Path, name: str, value: Any) -> None:
    if not isinstance(value, Tensor) or value.dtype not in _DTYPES:
        raise CheckpointError(path, f"has no floating-point tensor under {name[:TELLING]!r}", EXPECTED)
    if not torch_file.is_plain(value):
        raise CheckpointError(path, f"has fewer numbers than {name[:TELLING]!r} claims", "take an undamaged copy")
    if not bool(value.isfinite().all()):
        raise CheckpointError(path, f"has numbers in {name[:TELLING]!r} that are not finite", "take an undamaged copy")


def _network(tensors: Mapping[str, Tensor]) -> NetworkConfig:
    blocks = _count(r"to_rgbs\.\d+\.conv", "w_mul2_in_channel_wise", tensors)
    layers = ["to_rgb1.conv", *(f"to_rgbs.{block}.conv" for block in range(blocks))]
    widths = [_factor(tensors, layer, "w_mul2_in_channel_wise").shape[0] for layer in layers]
    return NetworkConfig.of_widths(
        widths,
        w_dim=_factor(tensors, "conv1.conv.modulation", "w_mul_in_dim").shape[0],
        mapping_layers=_count(r"style\.\d+", "w_mul_in_dim", tensors),
    )


def _rank(tensors: Mapping[str, Tensor]) -> int:
    return _factor(tensors, "conv1.conv", "w_mul1_out_channel_wise").shape[1]


def _additive(tensors: Mapping[str, Tensor]) -> bool:
    return any(name.partition(INFIX)[2].startswith(_SUMS) for name in tensors)


def _convolutions(tensors: Mapping[str, Tensor]) -> list[str]:
    end = f"{INFIX}w_mul1_out_channel_wise"
    return [name.removesuffix(end) for name in tensors if name.endswith(end)]


def _gates(task: PublishedTask, layer: str) -> Tensor:
    """What the activation of a convolution gets: [R, C_out, taps]; see `ConvModulator` of the adapter `left`."""
    out, taps = (_factor(task.tensors, layer, f"w_mul1_{part}_wise") for part in ("out_channel", "instance"))
    product = torch.einsum("or,srp->sop", out, taps)
    if not task.additive:
        return product
    rows, columns = (_factor(task.tensors, layer, f"w_add1_{part}_bias") for part in ("out_channel", "instance"))
    return product + rows @ columns.T


def _factor(tensors: Mapping[str, Tensor], layer: str, factor: str) -> Tensor:
    return tensors[f"{layer}{INFIX}{factor}"]


def _count(layer: str, factor: str, tensors: Mapping[str, Tensor]) -> int:
    return sum(bool(re.fullmatch(layer + re.escape(INFIX + factor), name)) for name in tensors)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error) if isinstance(error, NetworkConfigError) else "a tensor has too few axes"
