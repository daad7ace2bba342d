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
    """Fixed points in z, each standing for one shot; samples near them are judged as whole pictures.

    The idea is from Ojha et al., 2021 (few-shot adaptation by cross-domain correspondence).
    points: [A, D]; shots: the index of each one's shot, [A]; spread: of the normal noise around them.
    """

    def __init__(self, points: Tensor, shots: Tensor, spread: float) -> None:
        self.points, self.shots = points, shots
        self.spread = spread

    def near(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` latents, each a random anchor plus noise, [count, D]; the shots they stand for, [count]."""
        chosen = torch.randint(len(self.points), (count,), generator=rng, device=rng.device)
        return self.points[chosen] + self.spread * normal(count, self.points.shape[1], rng), self.shots[chosen]


@torch.no_grad()
def most_alike(
    generator: Generator,
    distances: Callable[[Tensor], Tensor],
    shots: int,
    *,
    each: int,
    candidates: int,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """For every one of K shots, `each` latents of its own whose pictures are nearest to it, and whose each one is.

    distances: from pictures [N, 3, R, R] to their distances from every shot, [N, K]. candidates: how many latents to
    choose among; never fewer than are needed. Returns [K·each, D] and the shots' indices, [K·each].
    """
    z = normal(max(candidates, shots * each), generator.config.w_dim, rng)
    table = torch.cat([distances(generator(part)) for part in torch.split(z, BATCH)]).cpu()
    chosen: list[list[int]] = [[] for _ in range(shots)]
    for _ in range(shots * each):  # the best pair first; its latent is taken then, and a shot that has enough is done
        row, shot = divmod(int(table.argmin()), shots)
        chosen[shot].append(row)
        table[row] = torch.inf
        if len(chosen[shot]) == each:
            table[:, shot] = torch.inf
    owners = torch.arange(shots, device=z.device).repeat_interleave(each)
    return z[[row for rows in chosen for row in rows]], owners
