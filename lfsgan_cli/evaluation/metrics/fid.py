"""The Fréchet distance between two sets of features, each taken for a Gaussian (Heusel et al., 2017, Eq. 6).

|μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 tr (Σ₁Σ₂)^½. With Σ = RᵀR, the last trace is the sum of the singular values of R₁R₂ᵀ,
since the eigenvalues of Σ₁Σ₂ are their squares. No covariance is formed and no matrix root taken: the result is real,
holds for two images as for fifty thousand, and loses no digits to squaring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lfsgan_cli.evaluation.registry import Collected, FeatureMetric, Numbers, Quantity, require_two, small_sets

if TYPE_CHECKING:
    from torch import Tensor


FLOOR_LEAST = 200  # real images: the distance of smaller halves tells more of their number than of the images


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
    import torch

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
    import torch

    means = (x.mean - y.mean).square().sum()
    spreads = x.root.square().sum() + y.root.square().sum()
    shared = torch.linalg.svdvals(x.root @ y.root.T).sum()
    return max(0.0, float(means + spreads - 2 * shared))


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """The distance between the features x [N, D] and y [M, D]. TooFewToMeasureError for N or M below 2."""
    return distance(statistics(x), statistics(y))


def floor(features: Tensor) -> float | None:
    """The distance between two random halves of real images' features [N, D]; None for N below FLOOR_LEAST."""
    import numpy as np
    import torch

    if len(features) < FLOOR_LEAST:
        return None
    order = torch.from_numpy(np.random.RandomState(0).permutation(len(features)))
    half = len(order) // 2
    return frechet_distance(features[order[:half]], features[order[half : 2 * half]])


class Fid(FeatureMetric):
    """`--fid`."""

    key = "fid"
    order = 10
    title = "FID"
    help = "Fréchet distance of features (lower is better)."
    quantities = (Quantity("fid", "Fréchet distance of features", "lower", digits=2, scaled=True),)
    source = "Heusel et al., 2017; Parmar et al., 2022 (clean-fid's resizing)"

    def compare(self, samples: Tensor, reals: Collected) -> Numbers:
        """The distance."""
        return {"fid": (distance(statistics(samples), reals.once("features", statistics)), None)}

    def scale(self, reals: Collected) -> dict[str, Any]:
        """The floor, and the images of each half: a distance of more images is lower."""
        found = reals.once("features", floor)
        return {} if found is None else {"floor": found, "floor_n": reals.count // 2}

    def warnings(self, samples: int, reals: int, dim: int) -> list[str]:
        """A sentence for each set too small for its `dim` features, generated images first.

        The covariance of N images has rank N - 1 at most, so up to `dim` of them leave directions without any spread,
        and the distance then depends more on N than on the images.
        """
        return [
            f"FID with {count} {kind} images is dominated by their number: {dim} features need more than {dim} images; "
            f"{way_out}, or compare only numbers of equal counts"
            for count, kind, way_out in small_sets(samples, reals, dim + 1)
        ]


METRIC = Fid()
