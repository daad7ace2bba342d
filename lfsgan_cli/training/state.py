"""The whole state of a training run as named tensors, to be kept in a safetensors file and taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

Tensors: TypeAlias = dict[str, Tensor]


def pack(
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    rng: torch.Generator,
    scalars: Mapping[str, Tensor],
) -> Tensors:
    """Everything under `module.NAME.…`, `optimizer.NAME.INDEX.…`, `scalar.NAME`, and the random state as `rng`."""
    tensors = {f"module.{name}.{key}": t for name, module in modules.items() for key, t in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{slot}": value for slot, value in slots.items()}
    tensors |= {f"scalar.{name}": value for name, value in scalars.items()}
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()} | {"rng": rng.get_state()}


def unpack(
    tensors: Tensors,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    rng: torch.Generator,
) -> Tensors:
    """Put everything back in place; returns the scalars."""
    for name, module in modules.items():
        module.load_state_dict(_under(tensors, f"module.{name}."))
    for name, optimizer in optimizers.items():
        slots: dict[int, Tensors] = {}
        for key, value in _under(tensors, f"optimizer.{name}.").items():
            index, slot = key.split(".")
            slots.setdefault(int(index), {})[slot] = value.clone()
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    rng.set_state(tensors["rng"])
    return _under(tensors, "scalar.")


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
