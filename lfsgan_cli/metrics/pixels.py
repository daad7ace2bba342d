"""The plainest judge: the mean squared difference of two pictures, position by position.

A network sees a copy in spite of a shift, but noise of a few levels in even areas, which changes every one of its
features, hides a copy from it. The plain difference is the other way round: for copies, ask both.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lfsgan_cli.metrics.efficientnet import from_levels


class Pixels:
    """The judge `pixels`. Distances go from 0 to 1, which black has from white; pictures must be of one size."""

    name = "pixels"
    identity = "none"  # it has no weights
    batch = 256

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def embed(self, pictures: Tensor) -> Tensor:
        """pictures: uint8 [N, 3, H, W]. Returns float32 [N, 3HW] on the judge's device."""
        vectors = from_levels(pictures.to(self._device)).flatten(1) / 2
        return vectors / math.sqrt(vectors.shape[1])
