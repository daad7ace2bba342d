"""The energy distance: how differently two sets are spread (Székely & Rizzo, 2013).

Of pictures of random latents and shots it is least where the pictures are as near to the shots as these are to each
other, and as far from each other: it draws every picture to the shots, and pictures apart. Mode seeking (Seo et al.,
ICCV 2023) does the second alone, anchors the first alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def energy(images: Tensor, shots: Tensor) -> Tensor:
    """2 E|x-s| - E|x-x'| - E|s-s'|, a scalar; of few it can fall below zero.

    images: [N, D], N at least 2; shots: [K, D]: embeddings, whose Euclidean distances count. Their squares, which
    perceptual distances are, would tell no more than how far apart the means of the two sets are.
    """
    return 2 * _distances(images, shots).mean() - _among(images) - (_among(shots) if len(shots) > 1 else 0.0)


def _among(points: Tensor) -> Tensor:
    count = len(points)
    return _distances(points, points).sum() / (count * (count - 1))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by products: equal points would be a little apart, or have no gradient that is a number.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
