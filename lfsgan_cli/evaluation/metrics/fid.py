"""The Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al., 2017, Eq. 6).

|μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁Σ₂)^½. With Σ = RᵀR, the last trace is the sum of the singular values of R₁R₂ᵀ,
since the eigenvalues of Σ₁Σ₂ are their squares. No covariance is formed and no matrix root taken: the result is real,
holds for two pictures as for fifty thousand, and loses no digits to squaring.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lfsgan_cli.evaluation.metrics.names import require_two


@dataclass(frozen=True)
class Statistics:
    """What the distance needs of N features of dimension D: float64, on the CPU, computed once for several distances.

    mean: [D]; root: [min(N, D), D], with rootᵀ·root the unbiased covariance; count: N.
    """

    mean: Tensor
    root: Tensor
    count: int


def statistics(features: Tensor) -> Statistics:
    """Those of `features` [N, D]. TooFewToMeasureError for N below 2."""
    count, dim = features.shape
    require_two("a Fréchet distance", count)
    samples = features.detach().to("cpu", torch.float64)
    mean = samples.mean(0)
    root = (samples - mean) / (count - 1) ** 0.5
    if count > dim:  # as good a root, and no larger than the covariance
        root = torch.linalg.qr(root, mode="r").R
    return Statistics(mean, root, count)


def distance(x: Statistics, y: Statistics) -> float:
    """The Fréchet distance, never below 0. Symmetric."""
    means = (x.mean - y.mean).square().sum()
    spreads = x.root.square().sum() + y.root.square().sum()
    shared = torch.linalg.svdvals(x.root @ y.root.T).sum()
    return max(0.0, float(means + spreads - 2 * shared))


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The distance between the features x [N, D] and y [M, D]. TooFewToMeasureError for N or M below 2."""
    return distance(statistics(x), statistics(y))
