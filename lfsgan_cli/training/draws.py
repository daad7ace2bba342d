"""Where the randomness of a training run comes from: one source, so that a run can be kept and taken up again."""

from __future__ import annotations

import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig


class Draws:
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
