"""Drawing through `torch.compile`, which takes a while to begin and draws faster then: worth it for many pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.networks.generator import Generator, Synthesis

Choice: TypeAlias = Literal["auto", "on", "off"]

PAYS = 20_000 * 64 * 64  # pixels: compiling takes as long as it saves in so many (docs/performance.md)
WIDEST = 64  # pixels up to which compiled drawing is faster on a CPU than prepared drawing, which is ready at once
COMPILERS = ("c++", "g++", "clang++", "cl")


class NoCompilerError(LfsganError):
    """What torch.compile makes its programs with is not there."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"--compile on: {missing} was not found on this machine; install it, or draw with --compile off"
        )


def is_worth_it(choice: Choice, pictures: int, side: int, device: torch.device) -> bool:
    """Whether to compile for that many pictures of `side` pixels; `auto` does where it pays and can be done.

    NoCompilerError for `on` where it cannot be done.
    """
    missing = _missing(device)
    if choice == "on" and missing:
        raise NoCompilerError(missing)
    gains = (device.type != "cpu" or side <= WIDEST) and pictures * side * side >= PAYS
    return choice == "on" or (choice == "auto" and not missing and gains)


class Compiled(nn.Module):
    """A synthesis that draws batches of one size by a compiled program, and any other by the plain one."""

    def __init__(self, synthesis: nn.Module, batch: int) -> None:
        super().__init__()
        self.plain, self.batch = synthesis, batch
        self.fast = torch.compile(synthesis, dynamic=False)

    def forward(self, ws: Tensor, noise: Sequence[Tensor] | None = None, *, dtype: torch.dtype | None = None) -> Tensor:
        """As `Synthesis`."""
        synthesis = self.fast if len(ws) == self.batch else self.plain
        image: Tensor = synthesis(ws, noise, dtype=dtype)
        return image


def compiled(generator: Generator, batch: int) -> Generator:
    """The same generator, compiled for batches of one size; the one passed in is left as it is.

    An overlay is given back uncompiled: torch.compile would not see the hooks that it sets while it runs.
    """
    if not isinstance(generator.synthesis, Synthesis):
        return generator
    fast = Generator(generator.mapping, Compiled(generator.synthesis, batch), generator.config)
    fast.w_mean = generator.w_mean
    return fast


def _missing(device: torch.device) -> str:
    """What is needed to compile for a device and not there, in words; '' if nothing."""
    if device.type == "cuda":
        return "" if find_spec("triton") else "the package triton"
    named = os.environ.get("CXX", "")
    return "" if any(map(shutil.which, filter(None, (named, *COMPILERS)))) else "a C++ compiler"
