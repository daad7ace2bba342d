"""Originality: pictures of random latents should come no nearer to a shot than shots come to each other.

Our own. Anchors and the energy distance draw pictures to ten shots, and in a plain style a picture that a network finds
alike is soon the same in nearly every pixel. What counts as near follows from the shots, pixel by pixel: as in
`metrics.memorisation`, from the distance of each to the nearest other, but by their lower quartile, not by the least.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lfsgan_cli.training.twins import SAME, differ

QUARTER = 4


class Originality:
    """What copies of shots cost, and mirrored copies where shots are shown mirrored as well.

    shots: [K, 3, R, R]. near: within this mean squared difference a quarter of the shots have another one that differs;
    0, and nothing is called a copy, where they are all one picture.
    """

    def __init__(self, shots: Tensor, *, mirror: bool) -> None:
        self.shots = torch.cat([shots, shots.flip(3)]) if mirror else shots
        others = apart(shots, shots)
        nearest = others.masked_fill(~differ(others), torch.inf).amin(1).sort().values
        near = nearest[(len(nearest) - 1) // QUARTER]
        self.near = torch.where(near.isfinite(), near, 0.0)

    def loss(self, images: Tensor) -> Tensor:
        """From 0, where no picture is near a shot, to 1, where all are copies; a scalar. images: [N, 3, R, R]."""
        nearest = self.shots[apart(images.detach(), self.shots).argmin(1)]
        missing = (self.near - (images - nearest).square().mean((1, 2, 3))).clamp(min=0)
        return (missing / self.near.clamp(min=SAME)).square().mean()


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared differences of N pictures from M others, [N, M]; no gradient passes."""
    a, b = a.flatten(1), b.flatten(1)
    # Not by products, which would leave equal pictures a little apart.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / a.shape[1]
