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
    ws = generator.spread(generator.mapping(z))
    if chance >= probability:
        return ws
    others = generator.spread(generator.mapping(draws.normal(*z.shape)))
    crossover = 1 + int(place * (layers - 1))
    return torch.cat([ws[:, :crossover], others[:, crossover:]], 1)
