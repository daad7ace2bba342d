"""Sets of pictures as metrics take them: drawn by a network, or found in a folder or zip file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli.jobs.sheets import save, to_arrays
from lfsgan_cli.jobs.styles import Style
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.pictures.dataset import PictureSet
from lfsgan_cli.sampling import draw

RESIZE = "centre crop, Lanczos to the drawn pictures' side"


class Pictures(Protocol):
    """A set in a fixed order."""

    def __len__(self) -> int:
        """How many there are."""

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in order: uint8 [up to `size`, 3, R, R] each, on the CPU."""

    def some(self, indices: Sequence[int]) -> Tensor:
        """Those at `indices`: uint8 [len(indices), 3, R, R]."""


@dataclass(frozen=True)
class Drawn:
    """What a network draws from `seeds`."""

    generator: Generator
    seeds: Sequence[int]
    style: Style

    def __len__(self) -> int:
        return len(self.seeds)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Drawn as they are asked for."""
        return self._draw(self.seeds, size)

    def some(self, indices: Sequence[int]) -> Tensor:
        """Drawn again."""
        return torch.cat(list(self._draw([self.seeds[index] for index in indices], len(indices))))

    def _draw(self, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        style = self.style
        return draw(self.generator, seeds, truncation=style.truncation, noise=style.noise, batch=size)


@dataclass(frozen=True)
class Found:
    """What lies in a folder or zip file, at one resolution."""

    pictures: PictureSet

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Decoded as they are asked for."""
        for first in range(0, len(self), size):
            yield self.some(range(first, min(first + size, len(self))))

    def some(self, indices: Sequence[int]) -> Tensor:
        """Decoded again."""
        return torch.from_numpy(np.stack([self.pictures[index] for index in indices])).permute(0, 3, 1, 2)

    @cached_property
    def identity(self) -> str:
        """SHA-256 (hex) over the bytes of all files in order; neither names nor the way they are packed count."""
        source = self.pictures.source
        digest = hashlib.sha256(f"{len(source.names)}\n".encode())
        for index in range(len(source.names)):
            digest.update(hashlib.sha256(source.read(index)).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Saved:
    """A drawn set that leaves every picture in a folder as it goes by: `seed0000.png` and so on."""

    drawn: Drawn
    folder: Path
    note: dict[str, object]

    def __len__(self) -> int:
        return len(self.drawn)

    def batches(self, size: int) -> Iterator[Tensor]:
        """The drawn ones, written before they are handed on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seeds = iter(self.drawn.seeds)
        for batch in self.drawn.batches(size):
            for picture, seed in zip(to_arrays(batch), seeds, strict=False):
                save(self.folder / f"seed{seed:04}.png", picture, {**self.note, "seed": seed})
            yield batch

    def some(self, indices: Sequence[int]) -> Tensor:
        """Drawn again, not written."""
        return self.drawn.some(indices)
