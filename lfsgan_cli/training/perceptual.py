"""How training images are compared: by perceptual distance while training, and with the base before it.

Few-shot adaptation changes a style, not the content: images that are far from all that the base draws end badly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.perceptual import VGG_WEIGHTS, LpipsVgg, embed, pairwise
from lfsgan_cli.evaluation.extractors.weights import cached
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.config import PerceptualChoice

SIZE = 128  # side at which EfficientNet compares images while training: a fifth of 224's cost


class NoVggError(LfsganError):
    """LPIPS-VGG without its weights."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"perceptual is 'vgg', and its weights are not at {str(path)!r}: `lfsgan evaluate --lpips --lpips-features "
            f"vgg` downloads them, or put {VGG_WEIGHTS.url} there; perceptual=efficientnet-lite0 needs none"
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
    path = cached(VGG_WEIGHTS)
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
        self.network = LpipsVgg(cached(VGG_WEIGHTS), device, size=levels.shape[-1])
        self.images = self.network.embed(levels)

    def embed(self, images: Tensor) -> Tensor:
        """See `PerceptualDistance`."""
        return torch.cat([self.network.embed_drawn(part.float()) for part in torch.split(images, self.network.batch)])


GAP_SIZE = 96  # side at which the network compares
GAP_STAGE = 2  # of EfficientNet-Lite0, at stride 16: shapes more than texture, not yet objects
GAP_SAMPLES = 64
MOST_IMAGES = 50  # training images that are compared
# Measured on `avatars-64-2`: samples of the base itself 1.1, five domains of drawn portraits 1.2 to 1.8, crops of two
# photographs (a temple, a flower) 2.9 to 3.2.
FAR = 2.5


class DomainGap:
    """How far images are from what a base draws. generator: the base's, whose samples are compared with."""

    @torch.no_grad()
    def __init__(self, generator: Generator) -> None:
        self._device = generator.w_mean.device
        self._network = EfficientNetLite0(GAP_SIZE).to(self._device)
        batches = sample(generator, range(GAP_SAMPLES), batch=32, noise="const")
        self._drawn = torch.cat([self._features(batch) for batch in batches])
        among = torch.cdist(self._drawn, self._drawn).fill_diagonal_(torch.inf).amin(1).median()
        self._among = among.clamp(min=1e-6)

    @torch.no_grad()
    def of(self, images: NDArray[np.uint8]) -> float:
        """The distance of training images, uint8 [K, R, R, 3], as a multiple of how far samples are from each other.

        The median distance of an image from the nearest of 64 samples, divided by that of a sample from the nearest
        other one; distances are between mean features of EfficientNet-Lite0. About 1 for images like the base's own;
        above `FAR`, expect poor results. The first 50 images count.
        """
        ours = self._features(torch.from_numpy(images[:MOST_IMAGES]).permute(0, 3, 1, 2))
        return float(torch.cdist(ours, self._drawn).amin(1).median() / self._among)

    def warning(self, images: NDArray[np.uint8], base: str) -> str | None:
        """What a user must know of images that are far from the base of that name; None if they are near enough."""
        gap = self.of(images)
        if gap <= FAR:
            return None
        return (
            f"these images are unlike what the base {base!r} was trained on (distance {gap:.1f}, usual are up to "
            f"{FAR:g}): expect poor results; a base of your own needs thousands of images, see `lfsgan help pretrain`"
        )

    def _features(self, levels: Tensor) -> Tensor:
        return self._network.stages(from_levels(levels.to(self._device)))[GAP_STAGE].mean((2, 3))
