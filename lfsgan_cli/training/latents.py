"""Where training takes its latents and noise from; every draw comes from a generator that is passed in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator

BATCH = 50  # candidates drawn at once


def normal(count: int, width: int, rng: torch.Generator) -> Tensor:
    """Standard normal latents, [count, width]."""
    return torch.randn(count, width, generator=rng, device=rng.device)


def noises(config: NetworkConfig, count: int, rng: torch.Generator) -> list[Tensor]:
    """Fresh noise for every convolution, each [count, 1, side, side]."""
    return [torch.randn(count, 1, side, side, generator=rng, device=rng.device) for side in config.noise_sides]


def mixed(generator: Generator, z: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """w for every layer, [N, L, D]; with `probability` a second latent takes over from a random layer on.

    Style mixing (Karras et al., 2019, section 3.1), one crossover for the batch.
    """
    layers = generator.config.latents
    draw = torch.rand(2, generator=rng, device=rng.device).tolist()
    ws = generator.spread(generator.mapping(z))
    if draw[0] >= probability:
        return ws
    others = generator.spread(generator.mapping(normal(len(z), z.shape[1], rng)))
    crossover = 1 + int(draw[1] * (layers - 1))
    return torch.cat([ws[:, :crossover], others[:, crossover:]], 1)


class Anchors:
    """Fixed points in z, one for each shot; samples near them are judged as whole pictures.

    The idea is from Ojha et al., 2021 (few-shot adaptation by cross-domain correspondence). points: [K, D].
    """

    def __init__(self, points: Tensor, spread: float) -> None:
        self.points = points
        self.spread = spread

    def near(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` latents, each a random anchor plus normal noise of the spread, [count, D]; which anchors, [count]."""
        chosen = torch.randint(len(self.points), (count,), generator=rng, device=rng.device)
        return self.points[chosen] + self.spread * normal(count, self.points.shape[1], rng), chosen


@torch.no_grad()
def most_alike(
    generator: Generator, distances: Callable[[Tensor], Tensor], shots: int, candidates: int, rng: torch.Generator
) -> Tensor:
    """For each of K shots a latent of its own whose picture, among the candidates', is nearest to it: [K, D].

    distances: from pictures [N, 3, R, R] to their distances from every shot, [N, K].
    """
    z = normal(max(candidates, shots), generator.config.w_dim, rng)
    table = torch.cat([distances(generator(part)) for part in torch.split(z, BATCH)])
    chosen = torch.zeros(shots, dtype=torch.long, device=z.device)
    for _ in range(shots):  # the best pair first; neither its latent nor its shot is free after that
        row, shot = divmod(int(table.argmin()), shots)
        chosen[shot] = row
        table[row], table[:, shot] = torch.inf, torch.inf
    return z[chosen]
