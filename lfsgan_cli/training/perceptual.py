"""Which network tells a training run how unlike two pictures look."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

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
from lfsgan_cli.training.config import LikenessChoice, LikenessName

SIZE = 128  # side at which EfficientNet compares pictures while learning: a fifth of 224's cost


class NoVggError(LfsganError):
    """A likeness whose network is not on this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"likeness is 'vgg', and its weights are not at {str(path)!r}: `lfsgan evaluate --lpips --lpips-features "
            f"vgg` fetches them, or put {vgg.WEIGHTS.url} there; likeness=efficientnet-lite0 needs none"
        )


def choose(choice: LikenessChoice) -> LikenessName:
    """What is meant: `auto` takes LPIPS-VGG where its weights are in the cache, and never downloads; NoVggError."""
    path = cached(vgg.WEIGHTS)
    if choice == "auto":
        return "vgg" if path.exists() else "efficientnet-lite0"
    if choice == "vgg" and not path.exists():
        raise NoVggError(path)
    return choice


def perceptual_distance_to(shots: NDArray[np.uint8], name: LikenessName, device: torch.device) -> PerceptualDistance:
    """The named network's judgement, with the shots, [K, R, R, 3], embedded once."""
    levels = torch.from_numpy(shots).permute(0, 3, 1, 2)
    return VggDistance(levels, device) if name == "vgg" else EfficientNetDistance(levels, device)


class EmbeddingDistance(ABC):
    """Distances of whatever a network makes of pictures."""

    shots: Tensor

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """See `Likeness`."""

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """See `Likeness`."""
        return pairwise(embeddings, others)

    def to_shots(self, images: Tensor) -> Tensor:
        """See `Likeness`."""
        return self.between(self.embed(images), self.shots)


class EfficientNetDistance(EmbeddingDistance):
    """Distances by EfficientNet-Lite0, whose gradients reach the pictures. levels: the shots, uint8 [K, 3, R, R]."""

    def __init__(self, levels: Tensor, device: torch.device) -> None:
        self.network = EfficientNetLite0(SIZE).to(device)
        with torch.no_grad():
            self.shots = self.embed(from_levels(levels).to(device))

    def embed(self, images: Tensor) -> Tensor:
        """See `Likeness`."""
        return embed(self.network, images)


class VggDistance(EmbeddingDistance):
    """LPIPS-VGG at the shots' own size, as the public LFS-GAN code asks it; no gradients pass."""

    def __init__(self, levels: Tensor, device: torch.device) -> None:
        self.judge = LpipsVgg(cached(vgg.WEIGHTS), device, size=levels.shape[-1])
        self.shots = self.judge.embed(levels)

    def embed(self, images: Tensor) -> Tensor:
        """See `Likeness`."""
        return torch.cat([self.judge.embed_drawn(part.float()) for part in torch.split(images, self.judge.batch)])


# How unlike two pictures look, as training asks it.


class PerceptualDistance(Protocol):
    """Perceptual distances of float pictures [N, 3, R, R] in -1..1: squared Euclidean ones of their embeddings."""

    @property
    def shots(self) -> Tensor:
        """The shots' embeddings, [K, D]."""

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings [N, D]; gradients pass where the network lets them."""

    def between(self, embeddings: Tensor, others: Tensor) -> Tensor:
        """The distances of N embedded pictures from M others, [N, M]; gradients pass."""

    def to_shots(self, images: Tensor) -> Tensor:
        """The distances of pictures from every one of K shots, [N, K]: both of the above."""
