"""Anchors: latents that stand for shots, and samples around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import AnchorNoise, LearnConfig
from lfsgan_cli.training.inversion import inverted
from lfsgan_cli.training.perceptual import PerceptualDistance


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
    near (`fixed`). Where the noise is `varied`, some are at the anchor and some far out, so that what is learned at the
    anchors reaches beyond them.
    points: [A, D]; shots: the index of each one's shot, [A]; spread: the most normal noise that is added to a point.
    """

    def __init__(self, points: Tensor, shots: Tensor, spread: float, noise: AnchorNoise) -> None:
        self.points, self.shots = points, shots
        self.spread = spread
        self._shares = {"varied": RandomSource.uniform, "fixed": self._ones}[noise]

    def near(self, count: int, draws: RandomSource) -> Near:
        """`count` samples: a random anchor each, and normal noise of a deviation of `spread`, or from 0 to `spread`."""
        chosen = draws.indices(len(self.points), count)
        deviation = self.spread * self._shares(draws, count)
        z = self.points[chosen] + deviation[:, None] * draws.normal(count, self.points.shape[1])
        # Noise is orthogonal to the anchor, and as long as it at a deviation of 1, but for chance.
        return Near(z, self.shots[chosen], torch.rsqrt(1 + deviation.square()))

    def _ones(self, _draws: RandomSource, count: int) -> Tensor:
        return self.points.new_ones(count)


# Which latents become anchors: whose pictures in the base take after a shot, or any.


BATCH = 50  # candidates drawn at once, if they are small
LARGEST = 1 << 28  # bytes of the largest feature map of those drawn at once


def anchor_points(
    base: Generator, likeness: PerceptualDistance, config: LearnConfig, draws: RandomSource, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """What `anchors` and its settings ask for: latents [A, D], and the index of each one's shot, [A]."""
    count, to_shots = len(likeness.shots), likeness.to_shots
    if config.anchors == "random":
        return anywhere(count, base.config.w_dim, draws)
    distances = relative(to_shots) if config.anchors == "relative" else to_shots
    points, owners = most_alike(
        base, distances, count, each=config.anchors_each, candidates=config.anchor_candidates, draws=draws, dtype=dtype
    )
    return inverted(base, points, owners, distances, steps=config.anchor_inversion, dtype=dtype), owners


def anywhere(shots: int, width: int, draws: RandomSource) -> tuple[Tensor, Tensor]:
    """A random latent for every one of K shots, [K, width], and the shots' indices, [K]."""
    points = draws.normal(shots, width)
    return points, torch.arange(shots, device=points.device)


@torch.no_grad()
def most_alike(
    generator: Generator,
    distances: Callable[[Tensor], Tensor],
    shots: int,
    *,
    each: int,
    candidates: int,
    draws: RandomSource,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """For every one of K shots, `each` latents of its own whose pictures are nearest to it, and whose each one is.

    distances: from pictures [N, 3, R, R] to their distances from every shot, [N, K]. candidates: how many latents to
    choose among; never fewer than are needed. dtype: of the feature maps, as for `Synthesis`.
    Returns [K·each, D] and the shots' indices, [K·each].
    """
    z = draws.normal(max(candidates, shots * each), generator.config.w_dim)
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


def relative(distances: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Distances less their mean over all shots: for `most_alike`, which shot a picture takes after more than others.

    The base's pictures are of another domain. Those that are plainest are nearest to every shot, and as anchors tell
    none from another; a long-haired shot is *relatively* nearest to long-haired pictures.
    """

    def compared(images: Tensor) -> Tensor:
        table = distances(images)
        return table - table.mean(1, keepdim=True)

    return compared


def _at_once(config: NetworkConfig) -> int:
    return max(1, min(BATCH, LARGEST // (config.largest_map * 4)))
