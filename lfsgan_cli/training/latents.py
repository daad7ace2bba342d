"""Which latents training draws pictures of, anywhere in their space: mixed ones."""

from __future__ import annotations

import torch
from torch import Tensor

from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.draws import Draws


def mixed(generator: Generator, z: Tensor, probability: float, draws: Draws) -> Tensor:
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
