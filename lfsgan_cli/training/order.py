"""In which order training sees its pictures: a function of the seed and the number seen, so nothing need be kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Pictures(Protocol):
    """Pictures by index, each uint8 [H, W, 3]."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """One."""


def shuffled(count: int, seed: int, seen: int) -> Iterator[int]:
    """Endless indices below `count`, each epoch in an order of its own, going on after `seen` of them."""
    epoch, position = divmod(seen, count)
    while True:
        yield from np.random.RandomState([seed, epoch]).permutation(count)[position:].tolist()
        epoch, position = epoch + 1, 0


def batch_of(pictures: Pictures, indices: Sequence[int], device: torch.device) -> Tensor:
    """The pictures as the network sees them: float32 [N, 3, H, W] from -1 to 1."""
    stacked = torch.from_numpy(np.stack([pictures[index] for index in indices]))
    return stacked.to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def mirrored(images: Tensor, rng: torch.Generator) -> Tensor:
    """Every picture flipped left to right with a chance of one half."""
    flip = torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device) < 0.5
    return torch.where(flip.to(images.device), images.flip(3), images)
