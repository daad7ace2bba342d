"""Perceptual distances while training: which network computes them, and its embeddings of the training images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors import vgg
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.perceptual import embed, pairwise
from lfsgan_cli.evaluation.extractors.vgg import LpipsVgg
from lfsgan_cli.evaluation.extractors.weights import cached
from lfsgan_cli.training.config import PerceptualChoice

SIZE = 128  # side at which EfficientNet compares images while training: a fifth of 224's cost


class NoVggError(LfsganError):
    """LPIPS-VGG without its weights."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"perceptual is 'vgg', and its weights are not at {str(path)!r}: `lfsgan evaluate --lpips --lpips-features "
            f"vgg` downloads them, or put {vgg.WEIGHTS.url} there; perceptual=efficientnet-lite0 needs none"
        )


class PerceptualDistance(Protocol):
    """Perceptual distances of float images [N, 3, R, R] in -1..1: squared Euclidean distances of their embeddings."""

    @property
    def images(self) -> Tensor:
        """The embeddings of the K training images that are compared with, [K, D]."""

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings [N, D]; gradients pass where the network allows it."""

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """The distances of N embedded images from M others, [N, M]; gradients pass."""

    def to_images(self, images: Tensor) -> Tensor:
        """The distances of images from every one of the K training images, [N, K]: both of the above."""


def choose(choice: PerceptualChoice) -> Literal["efficientnet-lite0", "vgg"]:
    """The network that `auto` means: LPIPS-VGG where its weights are in the cache; never downloads. NoVggError."""
    path = cached(vgg.WEIGHTS)
    if choice == "auto":
        return "vgg" if path.exists() else "efficientnet-lite0"
    if choice == "vgg" and not path.exists():
        raise NoVggError(path)
    return choice


def perceptual_distance_to(
    images: NDArray[np.uint8], choice: PerceptualChoice, device: torch.device
) -> PerceptualDistance:
    """The distance by the chosen network, with the training images, [K, R, R, 3], embedded once."""
    levels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return VggDistance(levels, device) if choose(choice) == "vgg" else EfficientNetDistance(levels, device)


class _EmbeddingDistance:
    images: Tensor

    def embed(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        return pairwise(embeddings, others)

    def to_images(self, images: Tensor) -> Tensor:
        return self.between(self.embed(images), self.images)


class EfficientNetDistance(_EmbeddingDistance):
    """By EfficientNet-Lite0, whose gradients reach the images. levels: the training images, uint8 [K, 3, R, R]."""

    def __init__(self, levels: Tensor, device: torch.device) -> None:
        self.network = EfficientNetLite0(SIZE).to(device)
        with torch.no_grad():
            self.images = self.embed(from_levels(levels).to(device))

    def embed(self, images: Tensor) -> Tensor:
        """See `PerceptualDistance`."""
        return embed(self.network, images)


class VggDistance(_EmbeddingDistance):
    """By LPIPS-VGG at the training images' own size, as in the public LFS-GAN code; no gradients pass."""

    def __init__(self, levels: Tensor, device: torch.device) -> None:
        self.network = LpipsVgg(cached(vgg.WEIGHTS), device, size=levels.shape[-1])
        self.images = self.network.embed(levels)

    def embed(self, images: Tensor) -> Tensor:
        """See `PerceptualDistance`."""
        return torch.cat([self.network.embed_drawn(part.float()) for part in torch.split(images, self.network.batch)])
