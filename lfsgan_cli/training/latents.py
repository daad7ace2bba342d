"""Where training takes its latents and noise from; every draw comes from a generator that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator

BATCH = 50  # candidates drawn at once, if they are small
LARGEST = 1 << 28  # bytes of the largest feature map of those drawn at once


def normal(count: int, width: int, rng: torch.Generator) -> Tensor:
    """Standard normal latents, [count, width]."""
    return torch.randn(count, width, generator=rng, device=rng.device)


def noises(config: NetworkConfig, count: int, rng: torch.Generator) -> list[Tensor]:
    """Fresh noise for every convolution, each [count, 1, side, side]."""
    return [torch.randn(count, 1, side, side, generator=rng, device=rng.device) for side in config.noise_sides]


def mixed(
    generator: Generator, z: Tensor, probability: float, rng: torch.Generator, choices: torch.Generator
) -> Tensor:
    """w for every layer, [N, L, D]; with `probability` a second latent takes over from a random layer on.

    Style mixing (Karras et al., 2019, section 3.1), one crossover for the batch. choices: a generator on the CPU, which
    says whether and where; rng: on the generator's device, where the second latent comes from.
    """
    layers = generator.config.latents
    draw = torch.rand(2, generator=choices).tolist()
    ws = generator.spread(generator.mapping(z))
    if draw[0] >= probability:
        return ws
    others = generator.spread(generator.mapping(normal(len(z), z.shape[1], rng)))
    crossover = 1 + int(draw[1] * (layers - 1))
    return torch.cat([ws[:, :crossover], others[:, crossover:]], 1)


class Near(NamedTuple):
    """Samples around anchors.

    z: [N, D]; shots: the index of the shot that each one's anchor stands for, [N]; closeness: the cosine between a
    sample and its anchor, 1 at the anchor itself, [N].
    """

    z: Tensor
    shots: Tensor
    closeness: Tensor


class Anchors:
    """Fixed points in z, each standing for one shot; samples near them are judged as whole pictures.

    The idea is from Ojha et al., 2021 (few-shot adaptation by cross-domain correspondence), where all samples are as
    near. Here some are at the anchor and some far out, so that what is learned at the anchors reaches beyond them.
    points: [A, D]; shots: the index of each one's shot, [A]; spread: the most normal noise that is added to a point.
    """

    def __init__(self, points: Tensor, shots: Tensor, spread: float) -> None:
        self.points, self.shots = points, shots
        self.spread = spread

    def near(self, count: int, rng: torch.Generator) -> Near:
        """`count` samples: a random anchor each, and normal noise of a deviation that is uniform from 0 to `spread`."""
        chosen = torch.randint(len(self.points), (count,), generator=rng, device=rng.device)
        deviation = self.spread * torch.rand(count, generator=rng, device=rng.device)
        z = self.points[chosen] + deviation[:, None] * normal(count, self.points.shape[1], rng)
        # Noise is orthogonal to the anchor, and as long as it at a deviation of 1, but for chance.
        return Near(z, self.shots[chosen], torch.rsqrt(1 + deviation.square()))


@torch.no_grad()
def most_alike(
    generator: Generator,
    distances: Callable[[Tensor], Tensor],
    shots: int,
    *,
    each: int,
    candidates: int,
    rng: torch.Generator,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """For every one of K shots, `each` latents of its own whose pictures are nearest to it, and whose each one is.

    distances: from pictures [N, 3, R, R] to their distances from every shot, [N, K]. candidates: how many latents to
    choose among; never fewer than are needed. dtype: of the feature maps, as for `Synthesis`.
    Returns [K·each, D] and the shots' indices, [K·each].
    """
    z = normal(max(candidates, shots * each), generator.config.w_dim, rng)
    parts = torch.split(z, _at_once(generator.config))
    table = torch.cat([distances(generator(part, dtype=dtype)) for part in parts]).cpu()
    chosen: list[list[int]] = [[] for _ in range(shots)]
    for _ in range(shots * each):  # the best pair first; its latent is taken then, and a shot that has enough is done
        row, shot = divmod(int(table.argmin()), shots)
        chosen[shot].append(row)
        table[row] = torch.inf
        if len(chosen[shot]) == each:
            table[:, shot] = torch.inf
    owners = torch.arange(shots, device=z.device).repeat_interleave(each)
    return z[[row for rows in chosen for row in rows]], owners


def _at_once(config: NetworkConfig) -> int:
    return max(1, min(BATCH, LARGEST // (config.largest_map * 4)))
