"""What stands in for the objects of NVIDIA's pickles: values only, nothing of theirs runs.

A pickle may set attributes of anything that it was given (BUILD), classes included. `Sealed` refuses that: on an
instance by its method, and on a class because the method then lacks an argument.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.survey import survey_legacy

DEEPEST = 8  # modules within modules; a StyleGAN2 has four
MOST = 20_000  # tensors, settings and modules of a network; a StyleGAN2 of 1024 pixels has about 3,000


class Sealed:
    """An object that a pickle can make, and not change afterwards."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Refuse what a pickle wants to set."""
        raise ValueError(f"a pickle sets attributes of a {type(self).__name__}")


class Inert(Sealed):
    """Something that no network is made from: numpy's numbers, which say again what the shapes say."""

    __slots__ = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Let it be said, and forget it."""


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


class Encoded(Sealed):
    """Calling it gives bytes, which pickles of protocol 2 write as text."""

    __slots__ = ()

    def __new__(cls, text: str, *_: object) -> Any:
        """`text`: one character a byte."""
        return text.encode("latin1")


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
