"""What stands in for the objects of NVIDIA's pickles: values only, nothing of theirs runs."""

from __future__ import annotations

import io
import math
import os
import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.checkpoints.torch_file import (
    INERT,
    ForeignGlobalError,
    ForeignNameError,
    Sealed,
    survey,
    survey_legacy,
)
from lfsgan_cli.errors import one_line
from lfsgan_cli.io.files import open_plain

DEEPEST = 8  # modules within modules; a StyleGAN2 has four
MOST = 20_000  # tensors, settings and modules of a network; a StyleGAN2 of 1024 pixels has about 3,000


class Table(dict[Any, Any]):
    """A dict, whatever it was called; attributes beside the items are dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Forget it."""


class Parameter(Sealed):
    """Calling it gives the parameter's tensor."""

    __slots__ = ()

    def __new__(cls, data: object, *_: object) -> Any:
        """`data`: what the parameter wraps."""
        return data


@dataclass(frozen=True)
class Part:
    """One network: its tensors, and its numbers, words and switches, under NVIDIA's names."""

    tensors: Mapping[str, Tensor]
    settings: Mapping[str, object] = field(default_factory=dict)


class Network(Sealed):
    """A module of NVIDIA's: the name of its class and its attributes; its source text is left alone."""

    __slots__ = ("class_name", "state")

    def __init__(self, meta: dict[str, Any]) -> None:
        self.class_name = str(meta["class_name"])
        self.state: dict[str, Any] = dict(meta["state"])

    def part(self) -> Part:
        """All that is told of the network; ValueError, TypeError or AttributeError where that is no network's."""
        return Part(self._tensors(), self._settings())

    def _tensors(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for prefix, module in _modules(self):
            for kind in ("_parameters", "_buffers"):
                for name, value in module.state.get(kind, {}).items():
                    if isinstance(value, Placed):
                        found[f"{prefix}{name}"] = value.tensor
        return found

    def _settings(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for prefix, module in _modules(self):
            found |= _plain(module.state, prefix)
            # What a module was made with is filed flat by stylegan3, and by its parts in stylegan2-ada-pytorch.
            given = module.state.get("_init_kwargs", {})
            for name, values in [("", given), *given.items()]:
                found |= _plain(values, f"{prefix}_init_kwargs.{name}.") if isinstance(values, dict) else {}
        return found


class Blob(Sealed):
    """The bytes of a storage, a file of torch's inside the pickle; `open` puts the numbers in their place."""

    __slots__ = ("numbers", "raw")

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, bytes):
            raise TypeError(f"a storage is bytes, not a {type(raw).__name__}")
        self.raw: bytes | None = raw
        self.numbers = torch.empty(0)

    def open(self) -> None:
        """Read the numbers, with torch's own reader of harmless files; the bytes are let go."""
        if self.raw is None:
            return
        survey_legacy(io.BytesIO(self.raw), len(self.raw))
        with warnings.catch_warnings(action="ignore"):  # they are about formats of the past
            storage = torch.load(io.BytesIO(self.raw), map_location="cpu", weights_only=True)
            self.numbers = torch.empty(0, dtype=storage.dtype).set_(storage.untyped())
        self.raw = None


class Placed(Sealed):
    """A tensor: where in a storage it lies. `settle`, after the storage was opened, gives it numbers of its own."""

    __slots__ = ("_blob", "_place", "count", "tensor")

    def __init__(self, blob: Blob, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> None:
        self._blob: Blob | None = blob
        self._place = (size, stride, offset)
        self.count = math.prod(size)
        self.tensor = torch.empty(0)

    def settle(self) -> None:
        """Cut it out of the storage, which is let go."""
        if self._blob is None:
            return
        view = self._blob.numbers.as_strided(*self._place)
        # Strides of nothing make tensors of any size from one number.
        if view.numel() > self._blob.numbers.numel():
            raise ValueError("a tensor is larger than its storage")
        self.tensor, self._blob = view.contiguous(), None


class Maker(Sealed):
    """Makes objects of one class, and remembers them."""

    __slots__ = ("_kind", "made")

    def __init__(self, kind: Callable[..., Any]) -> None:
        self._kind = kind
        self.made: list[Any] = []

    def __call__(self, *arguments: object) -> object:
        """One more."""
        self.made.append(self._kind(*arguments))
        return self.made[-1]


def _modules(network: Network) -> Iterator[tuple[str, Network]]:
    """A network and all within it with the beginnings of their names; bounded, for a pickle may tie knots."""
    waiting, seen = [("", network)], 0
    while waiting:
        prefix, module = waiting.pop()
        seen += len(module.state) + sum(len(module.state.get(kind, ())) for kind in ("_parameters", "_buffers"))
        if seen > MOST or prefix.count(".") > DEEPEST:
            raise ValueError("modules within modules without an end")
        yield prefix, module
        inner = module.state.get("_modules", {})
        waiting += [(f"{prefix}{name}.", child) for name, child in inner.items() if isinstance(child, Network)]


def _plain(values: dict[Any, Any], prefix: str) -> dict[str, object]:
    plain = (bool, int, float, str, type(None))
    return {f"{prefix}{name}": value for name, value in values.items() if isinstance(value, plain)}


# Reads the pickles of NVIDIA's StyleGAN2 without running anything of theirs: an allow-list of inert stand-ins.
#
# The pickles hold the source text of their classes, and NVIDIA's own reader runs it; here it stays text.


PROTOCOLS = (2, 3, 4, 5)
AVERAGE = "G_ema"  # what NVIDIA calls the generator's average
LONGEST_NAME = 80  # characters of a name that messages show

SMALLEST = 2  # bytes of a number: half precision

_STAND_INS: dict[tuple[str, str], object] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Network,
    ("dnnlib.util", "EasyDict"): Table,
    ("dnnlib", "EasyDict"): Table,
    ("collections", "OrderedDict"): Table,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_parameter"): Parameter,
    **INERT,
}


class DamagedPickleError(CheckpointError):
    """A pickle that ends too early, or says what makes no sense."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "is cut short, damaged, or no network pickle of NVIDIA's", "download it again and compare its size"
        )


class TensorFlowPickleError(CheckpointError):
    """A pickle of the days of TensorFlow."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "is a pickle of NVIDIA's TensorFlow code",
            "convert it with legacy.py of NVIDIA's stylegan2-ada-pytorch, and import what that writes",
        )


def load(path: Path) -> dict[str, Part]:
    """The networks of a pickle of NVIDIA's under their names, such as `G_ema`; a network alone counts as that one.

    Memory: once the file, and the largest tensor. Raises ForeignGlobalError where the file asks for anything that is
    not in the list, TensorFlowPickleError, and DamagedPickleError.
    """
    try:
        found, blobs, tensors = _unpickled(path)
        _refuse_repeated(tensors, path.stat().st_size)
        # What the unpickler remembered is gone by now, so that every storage can replace its bytes.
        while blobs:
            _open(blobs.pop(), path)
        while tensors:
            tensors.pop().settle()
        named = found if isinstance(found, dict) else {AVERAGE: found}
        return {str(name): network.part() for name, network in named.items() if isinstance(network, Network)}
    except (CheckpointError, OSError):
        raise
    except Exception as error:  # damage leads readers to whatever exception they like
        raise DamagedPickleError(path) from error


class _Unpickler(pickle.Unpickler):
    """Calls stand-ins from a list, and nothing else."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path
        self.blobs, self.tensors = Maker(Blob), Maker(Placed)
        self.known = _STAND_INS | {
            ("torch.storage", "_load_from_bytes"): self.blobs,
            ("torch._utils", "_rebuild_tensor_v2"): self.tensors,
        }

    def find_class(self, module: str, name: str) -> object:
        """The stand-in; a look-up and no import."""
        if module.startswith("dnnlib.tflib"):
            raise TensorFlowPickleError(self.path)
        if (module, name) not in self.known:
            raise ForeignGlobalError(self.path, one_line(f"{module}.{name}")[:LONGEST_NAME])
        return self.known[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        """Nothing lies outside of these files."""
        raise ValueError(f"the pickle points out of itself: {type(pid).__name__}")


def _unpickled(path: Path) -> tuple[object, list[Blob], list[Placed]]:
    """What the file holds, and the storages and tensors within, which are still to be opened."""
    with open_plain(path) as file:
        survey(file, os.fstat(file.fileno()).st_size)
        file.seek(0)
        unpickler = _Unpickler(file, path)
        return unpickler.load(), unpickler.blobs.made, unpickler.tensors.made


def _refuse_repeated(tensors: Sequence[Placed], size: int) -> None:
    """Many tensors of the same numbers, which would each get their own."""
    if sum(tensor.count for tensor in tensors) * SMALLEST > size:
        raise ValueError("the tensors are larger than the file")


def _open(blob: Blob, path: Path) -> None:
    """Open a storage; what it asks for is refused by name, as in the pickle around it."""
    try:
        blob.open()
    except ForeignNameError as error:
        raise ForeignGlobalError(path, error.name) from None
    except Exception as error:
        if asked := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ForeignGlobalError(path, asked[1][:LONGEST_NAME]) from None
        raise
