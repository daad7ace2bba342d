"""Perceptual distances by EfficientNet-Lite0, in the manner of LPIPS (Zhang et al., 2018) without learned weights.

The outputs of the network's last blocks at strides 4, 8, 16 and 32 are scaled to unit length over the channels at each
position. The distance of two pictures is the squared difference, summed over the channels, averaged over the positions,
and averaged over the four stages: from 0 for equal pictures to 4 for opposite features everywhere.

All of it is linear but the square, so a picture becomes one vector, its *embedding*, with every stage divided by
√(4 x positions): the distance is the squared Euclidean one of the embeddings, and all pairs cost one matrix product.
An embedding takes 0.58 MB at size 224. What is below `embed` holds for the embeddings of every `Judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite0
from lfsgan_cli.evaluation.metrics.names import require_two

METRIC = "lpips"  # shown as lpips[efficientnet-lite0] or lpips[vgg], see `counts.label`
_BLOCK = 1 << 14  # dimensions: a float32 sum over more leaves 1e-5 between equal pictures, if one set is of few


class Embedder(Protocol):
    """A frozen network that embeds pictures, so that squared Euclidean distances tell how unlike they look."""

    @property
    def name(self) -> str:
        """What stands in a metric's name."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the weights' file, in hex."""

    @property
    def batch(self) -> int:
        """How many pictures it embeds at a time, for memory's sake."""

    def embed(self, pictures: Tensor) -> Tensor:
        """The embeddings of pictures uint8 [N, 3, H, W]: float32 [N, D] on the judge's device."""


class Views(NamedTuple):
    """What one pass gives: features [N, 1280] for FID and the like, embeddings [N, D] for perceptual distances."""

    features: Tensor
    embeddings: Tensor


class EfficientNetEmbedder:
    """The judge `efficientnet-lite0`, which shares the network of its extractor."""

    batch = 64  # 37 MB of embeddings

    def __init__(self, extractor: EfficientNetFeatures) -> None:
        self.name, self.identity = extractor.name, extractor.identity
        self._extractor = extractor

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """pictures: uint8 [N, 3, H, W]. Returns float32 [N, 144256] on the extractor's device."""
        return embed(self._extractor.network, self._extractor.prepared(pictures))

    @torch.no_grad()
    def views(self, pictures: Tensor) -> Views:
        """The features and the embeddings of pictures uint8 [N, 3, H, W], both by one pass of the network."""
        network = self._extractor.network
        stages = network.stages(self._extractor.prepared(pictures))
        return Views(network.pooled(stages), _embedding(stages))


def embed(network: EfficientNetLite0, pictures: Tensor) -> Tensor:
    """The embeddings of float pictures [N, 3, H, W] in [-1, 1] (`efficientnet.from_levels` for uint8): [N, D].

    Gradients reach the pictures. D is 144,256 at the network's size 224, 47,104 at 128, and 11,776 at 64.
    """
    return _embedding(network.stages(pictures))


def embeddings(judge: Embedder, pictures: Tensor) -> Iterator[Tensor]:
    """The embeddings of pictures uint8 [N, 3, H, W] in order, in pieces of at most `judge.batch`."""
    return map(judge.embed, torch.split(pictures, judge.batch))


def pairwise(a: Tensor, b: Tensor) -> Tensor:
    """The distance of every embedding of a [N, D] to every one of b [M, D]: [N, M].

    By matrix products in the embeddings' own precision, so that float32 leaves less than 2e-6 between equal pictures.
    """
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    blocks = zip(torch.split(a, _BLOCK, 1), torch.split(b, _BLOCK, 1), strict=True)
    products = torch.stack([x @ y.T for x, y in blocks]).sum(0)
    return (lengths - 2 * products).clamp(min=0)


def nearest(a: Tensor, centres: Tensor) -> Tensor:
    """The index of the centre nearest to each embedding. a: [N, D]; centres: [K, D]; returns int64 [N]."""
    return pairwise(a, centres).argmin(1)


class MeanDistance:
    """The mean distance over all pairs of the embeddings added so far, none of which is kept.

    Exact, not sampled: over all pairs, ∑ |vᵢ - vⱼ|² = N ∑ |vᵢ|² - |∑ vᵢ|², summed in float64 on the CPU.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lengths = 0.0
        self._total = torch.zeros((), dtype=torch.float64)

    def add(self, embeddings: Tensor) -> None:
        """Take in embeddings [n, D]."""
        vectors = embeddings.detach().to("cpu", torch.float64)
        self.count += len(vectors)
        self._lengths += float(vectors.square().sum())
        self._total = self._total + vectors.sum(0)

    def value(self) -> float:
        """The mean, never below 0. TooFewToMeasureError for fewer than two embeddings."""
        require_two("a mean perceptual distance", self.count)
        pairs = math.comb(self.count, 2)
        return max(0.0, self.count * self._lengths - float(self._total.square().sum())) / pairs


def mean_pairwise(chunks: Iterable[Tensor]) -> float:
    """The mean distance over all pairs of two different pictures: how varied they are.

    chunks: their embeddings [n, D] in pieces of any size, one in memory at a time. TooFewToMeasureError for fewer than
    two pictures.
    """
    mean = MeanDistance()
    for chunk in chunks:
        mean.add(chunk)
    return mean.value()


def _embedding(stages: list[Tensor]) -> Tensor:
    scaled = [F.normalize(x, dim=1).flatten(1) / math.sqrt(len(stages) * x[0, 0].numel()) for x in stages]
    return torch.cat(scaled, 1)
