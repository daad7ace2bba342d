"""Extractors without a network: images as they are, pixel by pixel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import from_levels

SIDE = 16


class PixelFeatures:
    """The extractor `pixels-16`: an image shrunk to 16×16, as 768 numbers between 0 and 1.

    It sees where there is ink and colour, and nothing finer. No training uses it.
    """

    name = f"pixels-{SIDE}"
    identity = "none"  # it has no weights
    dim = 3 * SIDE * SIDE

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def __call__(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 768]: means over equal areas."""
        return F.adaptive_avg_pool2d(images.to(self._device).float() / 255, SIDE).flatten(1)


class PixelEmbedder:
    """The embedder `pixels`: distances are mean squared differences of images of one size.

    They go from 0 to 1, which black has from white. A network recognizes a shifted copy, but noise of a few levels in
    even areas changes all of its features and hides a copy from it. Plain pixels are the other way round.
    """

    name = "pixels"
    identity = "none"  # it has no weights
    batch = 256

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def embed(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 3HW] on the embedder's device."""
        vectors = from_levels(images.to(self._device)).flatten(1) / 2
        return vectors / math.sqrt(vectors.shape[1])
