"""Writes small pickles in NVIDIA's layout: their names, tensors of random numbers, and none of their code."""

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

WIDTH, SIDES, LAYERS = 8, (4, 8, 16), 2  # of all networks made here
_BUFFERS = ("resample_filter", "noise_const", "w_avg")

Tensors = dict[str, Tensor]


class EasyDict(dict[str, Any]):
    """What NVIDIA's dicts are called; pickled under their name."""


@dataclass
class Module:
    """Pickled as NVIDIA's persistent objects are: by a call of their function with a dict."""

    class_name: str
    state: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": self.class_name}
        return _reconstruct_persistent_obj, (meta | {"state": self.state},)


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> Module:
    raise NotImplementedError("only its name is pickled")


def binomial() -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64


def generator(*, z_dim: int = WIDTH, colours: int = 3) -> Tensors:
    """A generator of 16×16, every number random."""
    tensors = {"mapping.w_avg": torch.randn(WIDTH), "synthesis.b4.const": torch.randn(WIDTH, 4, 4)}
    for layer in range(LAYERS):
        tensors |= _pair(f"mapping.fc{layer}", WIDTH, z_dim if layer == 0 else WIDTH)
    for side in SIDES:
        block = f"synthesis.b{side}"
        tensors |= _styled(f"{block}.torgb", colours, 1)
        for conv in ("conv1",) if side == 4 else ("conv0", "conv1"):
            tensors |= _styled(f"{block}.{conv}", WIDTH, 3)
            tensors[f"{block}.{conv}.noise_strength"] = torch.randn(())
            tensors[f"{block}.{conv}.noise_const"] = torch.randn(side, side)
            tensors[f"{block}.{conv}.resample_filter"] = binomial()
    return tensors


def discriminator() -> Tensors:
    """The discriminator beside it."""
    tensors = _pair("b16.fromrgb", WIDTH, 3, 1, 1)
    for side in SIDES[:0:-1]:
        tensors |= _pair(f"b{side}.conv0", WIDTH, WIDTH, 3, 3) | _pair(f"b{side}.conv1", WIDTH, WIDTH, 3, 3)
        tensors[f"b{side}.skip.weight"] = torch.randn(WIDTH, WIDTH, 1, 1)
    tensors |= _pair("b4.conv", WIDTH, WIDTH + 1, 3, 3)
    return tensors | _pair("b4.fc", WIDTH, WIDTH * 16) | _pair("b4.out", 1, WIDTH)


def module(tensors: Mapping[str, Tensor], settings: Mapping[str, Any] | None = None, source: str = "") -> Module:
    """Modules within modules, after the dots of the names; `settings` become attributes of the modules."""
    whole = Module("Network", {"_parameters": {}, "_buffers": {}, "_modules": {}}, source)
    for name, tensor in tensors.items():
        inner, leaf = _descend(whole, name, source)
        kind = "_buffers" if leaf in _BUFFERS else "_parameters"
        inner.state[kind][leaf] = tensor if kind == "_buffers" else nn.Parameter(tensor, tensor.is_floating_point())
    for name, value in (settings or {}).items():
        inner, leaf = _descend(whole, name, source)
        inner.state[leaf] = value
    return whole


def write(path: Path, document: object, protocol: int = 4) -> Path:
    """Pickle under NVIDIA's names."""
    with _named_as_theirs(), path.open("wb") as file:
        pickle.dump(document, file, protocol=protocol)
    return path


def _descend(whole: Module, name: str, source: str) -> tuple[Module, str]:
    *path, leaf = name.split(".")
    for part in path:
        new = Module("Layer", {"_parameters": {}, "_buffers": {}, "_modules": {}}, source)
        whole = whole.state["_modules"].setdefault(part, new)
    return whole, leaf


def _pair(name: str, width: int, *inner: int) -> Tensors:
    return {f"{name}.weight": torch.randn(width, *inner), f"{name}.bias": torch.randn(width)}


def _styled(name: str, width: int, kernel: int) -> Tensors:
    return _pair(name, width, WIDTH, kernel, kernel) | _pair(f"{name}.affine", WIDTH, WIDTH)


@contextmanager
def _named_as_theirs() -> Iterator[None]:
    """While it lasts, what is pickled here is found in modules of NVIDIA's names."""
    theirs: dict[str, Any] = {"torch_utils.persistence": _reconstruct_persistent_obj, "dnnlib.util": EasyDict}
    homes = {thing: thing.__module__ for thing in theirs.values()}
    packages = {name: ModuleType(name) for name in ("torch_utils", "dnnlib", *theirs)}
    for name, thing in theirs.items():
        setattr(packages[name], thing.__name__, thing)
        thing.__module__ = name
    sys.modules.update(packages)
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]
        for thing, home in homes.items():
            thing.__module__ = home
