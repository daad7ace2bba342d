"""Which images and latents each step sees: a function of the seed and of the steps done, so that runs can resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.system.distributed import ALONE, Ranks

Advance: TypeAlias = Callable[[int], object]  # told of work before the first step as it is done: so many images

MOST_REFERENCES = 100  # training images that samples are compared with: cost and memory stop growing there


class Images(Protocol):
    """Images by index, each uint8 [H, W, 3]."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> NDArray[np.uint8]:
        """One."""


def shuffled(count: int, seed: int, seen: int) -> Iterator[int]:
    """Endless indices below `count`, each epoch in an order of its own, continuing after `seen` of them."""
    epoch, position = divmod(seen, count)
    while True:
        yield from np.random.RandomState([seed, epoch]).permutation(count)[position:].tolist()
        epoch, position = epoch + 1, 0


def batch_of(images: Images, indices: Sequence[int], device: torch.device) -> Tensor:
    """The images as the network sees them: [N, 3, H, W] from -1 to 1, float32 unless torch's default is another."""
    return _seen(_stacked(images, indices), device)


def _stacked(images: Images, indices: Sequence[int]) -> Tensor:
    return torch.from_numpy(np.stack([images[index] for index in indices]))


def _seen(stacked: Tensor, device: torch.device) -> Tensor:
    moved = stacked.to(device, non_blocking=stacked.is_pinned())
    return moved.permute(0, 3, 1, 2).to(torch.get_default_dtype()) / 127.5 - 1


class Batches:
    """Training images, batch after batch; a thread reads the next one while a step runs.

    indices: returns those of the next batch. A GPU copies images from pinned memory, which nothing waits for.
    """

    def __init__(self, images: Images, indices: Callable[[], list[int]], device: torch.device) -> None:
        self._images, self._indices, self._device = images, indices, device
        self._reader = ThreadPoolExecutor(1, "images")
        self._read_ahead()

    def take(self) -> tuple[list[int], Tensor]:
        """The indices and images of the next batch, as `batch_of` makes them; raises what reading an image raises."""
        indices, stacked = self._next.result()
        self._read_ahead()
        return indices, _seen(stacked, self._device)

    def _read_ahead(self) -> None:
        self._next = self._reader.submit(self._read)

    def _read(self) -> tuple[list[int], Tensor]:
        indices = self._indices()
        stacked = _stacked(self._images, indices)
        return indices, stacked.pin_memory() if self._device.type == "cuda" else stacked


def reference_images(images: Images, seed: int) -> NDArray[np.uint8]:
    """The training images that samples are compared with, one by one, uint8 [K, H, W, 3].

    All of up to 100, in order; of more, 100 at random. They have anchors, are the cluster centers of mode seeking, and
    what the memorization penalty and the energy distance compare with. The discriminator sees all images in any case.
    """
    chosen: Sequence[int] = range(len(images))
    if len(images) > MOST_REFERENCES:
        chosen = sorted(np.random.RandomState(seed).permutation(len(images))[:MOST_REFERENCES].tolist())
    return np.stack([images[index] for index in chosen])


def mirrored(images: Tensor, rng: torch.Generator) -> Tensor:
    """Every image flipped left to right with a probability of one half."""
    return flipped(images, torch.rand(len(images), 1, 1, 1, generator=rng, device=rng.device).flatten() < 0.5)


def flipped(images: Tensor, chosen: Tensor) -> Tensor:
    """The images [N, 3, H, W], those that are `chosen`, [N], flipped left to right."""
    return torch.where(chosen.to(images.device)[:, None, None, None], images.flip(3), images)


class RandomSource:
    """All randomness of a training run, so that its state can be saved and restored.

    rng: on the device, for tensors that are computed with there.
    choices: for random numbers that Python reads; on the CPU, since reading them from a GPU would wait for it.
    ranks: each takes its rows of what all draw alike.
    """

    def __init__(self, seed: int, device: torch.device, ranks: Ranks = ALONE) -> None:
        self.ranks = ranks
        self.rng = torch.Generator(device).manual_seed(seed)
        self.choices = self.rng if device.type == "cpu" else torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        count, *rest = shape
        return self.ranks.rows(lambda rows: torch.randn(rows, *rest, generator=self.rng, device=self.rng.device), count)

    def noises(self, config: NetworkConfig, count: int) -> list[Tensor] | None:
        """Fresh noise for every convolution, each [count, 1, side, side]; None stands for the network's own."""
        return [self.normal(count, 1, side, side) for side in config.noise_sides]

    def uniform(self, count: int) -> Tensor:
        """Numbers from 0 to 1, [count]."""
        return self.ranks.rows(lambda rows: torch.rand(rows, generator=self.rng, device=self.rng.device), count)

    def flips(self, count: int) -> Tensor:
        """Which of so many images are to be flipped, each with a probability of one half: bool [count]."""
        return self.uniform(count) < 0.5

    def indices(self, below: int, count: int) -> Tensor:
        """Integers from 0 to `below`, exclusive, [count]."""
        return self.ranks.rows(
            lambda rows: torch.randint(below, (rows,), generator=self.rng, device=self.rng.device), count
        )


def mixed(generator: Generator, z: Tensor, probability: float, random: RandomSource) -> Tensor:
    """w for every layer, [N, L, D]; with `probability` from a second latent after a random layer.

    Style mixing (Karras et al., 2019, section 3.1), with one crossover for the batch.
    """
    layers = generator.config.latents
    chance, place = torch.rand(2, generator=random.choices).tolist()
    if chance >= probability:
        return generator.spread(generator.mapping(z))
    both = generator.mapping(torch.cat([z, random.normal(*z.shape)]))
    ws, others = map(generator.spread, both.chunk(2))
    crossover = 1 + int(place * (layers - 1))
    return torch.cat([ws[:, :crossover], others[:, crossover:]], 1)
