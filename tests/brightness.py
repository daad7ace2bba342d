"""Compares images by their brightness alone: enough to make clusters of, and to draw images to training images."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class InBrightness:
    """A perceptual distance to training images, uint8 [H, W, 3] each."""

    def __init__(self, shots: Sequence[Any]) -> None:
        self.images = torch.tensor([[shot.mean() / 127.5 - 1] for shot in shots], dtype=torch.float32)

    def embed(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))[:, None]

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        return (embeddings - others.T).square()

    def to_images(self, images: Tensor) -> Tensor:
        return self.between(self.embed(images), self.images)
