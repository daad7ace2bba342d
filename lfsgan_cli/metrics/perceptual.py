"""Perceptual distances by EfficientNet-Lite0, in the manner of LPIPS (Zhang et al., 2018) without learned weights.

The outputs of the network's last blocks at strides 4, 8, 16 and 32 are scaled to unit length over the channels at each
position. The distance of two pictures is the squared difference, summed over the channels, averaged over the positions,
and averaged over the four stages: from 0 for equal pictures to 4 for opposite features everywhere.

All of it is linear but the square, so a picture becomes one vector, its *embedding*, with every stage divided by
√(4 x positions): the distance is the squared Euclidean one of the embeddings, and all pairs cost one matrix product.
An embedding takes 0.58 MB at size 224.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.metrics.counts import require_two
from lfsgan_cli.metrics.efficientnet import EfficientNetLite0

METRIC = "lpips"  # shown as lpips[efficientnet-lite0], see `counts.label`


def embed(network: EfficientNetLite0, pictures: Tensor) -> Tensor:
    """The embeddings of float pictures [N, 3, H, W] in [-1, 1] (`efficientnet.from_levels` for uint8): [N, D].

    Gradients reach the pictures. D is 144,256 at the network's size 224, 47,104 at 128, and 11,776 at 64.
    """
    stages = network.stages(pictures)
    scaled = [F.normalize(x, dim=1).flatten(1) / math.sqrt(len(stages) * x[0, 0].numel()) for x in stages]
    return torch.cat(scaled, 1)


def pairwise(a: Tensor, b: Tensor) -> Tensor:
    """The distance of every embedding of a [N, D] to every one of b [M, D]: [N, M].

    By one matrix product in the embeddings' own precision, so that float32 leaves about 1e-6 between equal pictures.
    """
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    return (lengths - 2 * a @ b.T).clamp(min=0)


def nearest(a: Tensor, centres: Tensor) -> Tensor:
    """The index of the centre nearest to each embedding. a: [N, D]; centres: [K, D]; returns int64 [N]."""
    return pairwise(a, centres).argmin(1)


def mean_pairwise(chunks: Iterable[Tensor]) -> float:
    """The mean distance over all pairs of two different pictures: how varied they are.

    chunks: their embeddings [n, D] in pieces of any size, one in memory at a time. Exact, not sampled: over all pairs,
    ∑ |vᵢ - vⱼ|² = N ∑ |vᵢ|² - |∑ vᵢ|², summed in float64. TooFewToMeasureError for fewer than two pictures.
    """
    count, lengths, total = 0, 0.0, torch.zeros((), dtype=torch.float64)
    for chunk in chunks:
        vectors = chunk.detach().to("cpu", torch.float64)
        count += len(vectors)
        lengths += float(vectors.square().sum())
        total = total + vectors.sum(0)
    require_two("a mean perceptual distance", count)
    return (count * lengths - float(total.square().sum())) / math.comb(count, 2)
