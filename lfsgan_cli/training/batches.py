"""In which order training sees its pictures: a function of the seed and the number seen, so nothing need be kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator


class Images(Protocol):
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


def batch_of(pictures: Images, indices: Sequence[int], device: torch.device) -> Tensor:
    """The pictures as the network sees them: float32 [N, 3, H, W] from -1 to 1."""
    stacked = torch.from_numpy(np.stack([pictures[index] for index in indices]))
    return stacked.to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def mirrored(images: Tensor, rng: torch.Generator) -> Tensor:
    """Every picture flipped left to right with a chance of one half."""
    flip = torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device) < 0.5
    return torch.where(flip.to(images.device), images.flip(3), images)


# Where the randomness of a training run comes from: one source, so that a run can be kept and taken up again.


class RandomSource:
    """rng: on the device, for whatever is computed with there.

    choices: for random numbers that Python looks at; on the CPU, since it would wait for a GPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.rng = torch.Generator(device).manual_seed(seed)
        self.choices = self.rng if device.type == "cpu" else torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(shape, generator=self.rng, device=self.rng.device)

    def noises(self, config: NetworkConfig, count: int) -> list[Tensor] | None:
        """Fresh noise for every convolution, each [count, 1, side, side]; None stands for the network's own."""
        return [self.normal(count, 1, side, side) for side in config.noise_sides]

    def uniform(self, count: int) -> Tensor:
        """Numbers from 0 to 1, [count]."""
        return torch.rand(count, generator=self.rng, device=self.rng.device)

    def indices(self, below: int, count: int) -> Tensor:
        """Whole numbers from 0 to `below`, which is left out, [count]."""
        return torch.randint(below, (count,), generator=self.rng, device=self.rng.device)

    def one_of(self, count: int) -> int:
        """A number below `count`."""
        return int(torch.randint(count, (), generator=self.choices)) if count > 1 else 0


# Which latents training draws pictures of, anywhere in their space: mixed ones.


def mixed(generator: Generator, z: Tensor, probability: float, draws: RandomSource) -> Tensor:
    """w for every layer, [N, L, D]; with `probability` a second latent takes over from a random layer on.

    Style mixing (Karras et al., 2019, section 3.1), one crossover for the batch.
    """
    layers = generator.config.latents
    chance, place = torch.rand(2, generator=draws.choices).tolist()
    if chance >= probability:
        return generator.spread(generator.mapping(z))
    both = generator.mapping(torch.cat([z, draws.normal(*z.shape)]))
    ws, others = map(generator.spread, both.chunk(2))
    crossover = 1 + int(place * (layers - 1))
    return torch.cat([ws[:, :crossover], others[:, crossover:]], 1)
