"""Perceptual distances by EfficientNet-Lite0, in the manner of LPIPS (Zhang et al., 2018) without learned weights.

The outputs of the network's last blocks at strides 4, 8, 16 and 32 are scaled to unit length over the channels at each
position. The distance of two images is the squared difference, summed over the channels, averaged over the positions,
and averaged over the four stages: from 0 for equal images to 4 for opposite features everywhere.

All of it is linear but the square, so an image becomes one vector, its *embedding*, with every stage divided by
√(4 x positions): the distance is the squared Euclidean one of the embeddings, and all pairs cost one matrix product.
An embedding takes 0.58 MB at size 224. What is below `embed` holds for the embeddings of every `Embedder`.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite0

_BLOCK = 1 << 14  # dimensions: a float32 sum over more leaves 1e-5 between equal images, if one set is of few


class Embedder(Protocol):
    """A frozen network that embeds images, so that squared Euclidean distances are perceptual ones."""

    @property
    def name(self) -> str:
        """What stands in a metric's name."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the weights' file, in hex."""

    @property
    def batch(self) -> int:
        """How many images it embeds at a time, for memory's sake."""

    def embed(self, images: Tensor) -> Tensor:
        """The embeddings of images uint8 [N, 3, H, W]: float32 [N, D] on the embedder's device."""


class Views(NamedTuple):
    """What one pass gives: features [N, 1280] for FID and the like, embeddings [N, D] for perceptual distances."""

    features: Tensor
    embeddings: Tensor


class EfficientNetEmbedder:
    """The embedder `efficientnet-lite0`, which shares the network of its extractor."""

    batch = 64  # 37 MB of embeddings

    def __init__(self, extractor: EfficientNetFeatures) -> None:
        self.name, self.identity = extractor.name, extractor.identity
        self._extractor = extractor

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 144256] on the extractor's device."""
        return embed(self._extractor.network, self._extractor.prepared(images))

    @torch.no_grad()
    def views(self, images: Tensor) -> Views:
        """The features and the embeddings of images uint8 [N, 3, H, W], both by one pass of the network."""
        network = self._extractor.network
        stages = network.stages(self._extractor.prepared(images))
        return Views(network.pooled(stages), _embedding(stages))


def embed(network: EfficientNetLite0, images: Tensor) -> Tensor:
    """The embeddings of float images [N, 3, H, W] in [-1, 1] (`efficientnet.from_levels` for uint8): [N, D].

    Gradients reach the images. D is 144,256 at the network's size 224, 47,104 at 128, and 11,776 at 64.
    """
    return _embedding(network.stages(images))


def pairwise(a: Tensor, b: Tensor) -> Tensor:
    """The distance of every embedding of a [N, D] to every one of b [M, D]: [N, M].

    By matrix products in the embeddings' own precision, so that float32 leaves less than 2e-6 between equal images.
    """
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    blocks = zip(torch.split(a, _BLOCK, 1), torch.split(b, _BLOCK, 1), strict=True)
    products = torch.stack([x @ y.T for x, y in blocks]).sum(0)
    return (lengths - 2 * products).clamp(min=0)


def _embedding(stages: list[Tensor]) -> Tensor:
    scaled = [F.normalize(x, dim=1).flatten(1) / math.sqrt(len(stages) * x[0, 0].numel()) for x in stages]
    return torch.cat(scaled, 1)
