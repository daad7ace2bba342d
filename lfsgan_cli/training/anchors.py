"""Anchors: latents that stand for shots, and samples around them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lfsgan_cli.training.config import AnchorNoise
from lfsgan_cli.training.draws import Draws


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
        self._shares = {"varied": Draws.uniform, "fixed": self._ones}[noise]

    def near(self, count: int, draws: Draws) -> Near:
        """`count` samples: a random anchor each, and normal noise of a deviation of `spread`, or from 0 to `spread`."""
        chosen = draws.indices(len(self.points), count)
        deviation = self.spread * self._shares(draws, count)
        z = self.points[chosen] + deviation[:, None] * draws.normal(count, self.points.shape[1])
        # Noise is orthogonal to the anchor, and as long as it at a deviation of 1, but for chance.
        return Near(z, self.shots[chosen], torch.rsqrt(1 + deviation.square()))

    def _ones(self, _draws: Draws, count: int) -> Tensor:
        return self.points.new_ones(count)
