"""Precision and recall (Kynkäänniemi et al., 2019), density and coverage (Naeem et al., 2020), by nearest neighbours.

Around each image of a set lies a ball that reaches to its k-th nearest neighbour in that set; the balls together are
the set's manifold. Precision is the share of generated images in some real ball, recall that of real images in some
generated ball; density is the mean number of real balls around a generated image, by k, and coverage the share of
real balls that hold a generated image. The papers' k are the defaults: 3 for the first two, 5 for the last two.

The boundary is outside, as in the `prdc` package of the latter paper; here also where rounding would put it inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.registry import Collected, FeatureMetric, Numbers, Quantity, small_sets

if TYPE_CHECKING:
    from torch import Tensor

K_PRECISION = 3
K_DENSITY = 5
NEIGHBOURHOODS = 10  # a neighbourhood should hold a tenth of the images at most
_BLOCK = 1 << 23  # distances that are in memory at once: 64 MB in float64
_ROUNDING = 1e-12  # of squared lengths: far above what |x|² + |y|² - 2x·y loses of them, about 1e-14


class TooFewNeighboursError(LfsganError):
    """A set in which no image has k others."""

    def __init__(self, count: int, k: int) -> None:
        super().__init__(
            f"precision, recall, density and coverage of {count} images with k={k} neighbours: expected more than {k} "
            "images; use more images"
        )


def require_neighbours(count: int, k: int) -> None:
    """TooFewNeighboursError where no one of `count` images has `k` others; ValueError for k below 1."""
    if k < 1:
        raise ValueError(f"k={k}: expected 1 or more")
    if count <= k:
        raise TooFewNeighboursError(count, k)


@dataclass(frozen=True)
class Manifold:
    """A set of images and its balls of up to K neighbours: made once for several comparisons.

    features: float64 [N, D], on the CPU; nearest: squared distances to the nearest 1…K others, ascending, [N, K].
    """

    features: Tensor
    nearest: Tensor

    def radii(self, k: int) -> Tensor:
        """The squared distance from each image to its k-th nearest other: [N]. ValueError for k above K."""
        if k > self.nearest.shape[1]:
            raise ValueError(f"k={k}: expected {self.nearest.shape[1]} or less, which this manifold was made for")
        return self.nearest[:, k - 1]


@dataclass(frozen=True)
class Overlap:
    """How generated images lie over real ones: shares from 0 to 1; density from 0 up, about 1 between equals."""

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(features: Tensor, k: int = K_DENSITY) -> Manifold:
    """That of the features [N, D], for comparisons by up to k neighbours.

    Raises:
        TooFewNeighboursError: N is not above k.
        ValueError: k is below 1.
    """
    import torch

    require_neighbours(len(features), k)
    points = features.detach().to("cpu", torch.float64)
    nearest = []
    for rows, distances in _distances(points, points):
        distances[:, rows].fill_diagonal_(torch.inf)  # no image is its own neighbour; a copy of it is one
        nearest.append(distances.topk(k, largest=False).values)
    return Manifold(points, torch.cat(nearest))


def overlap(fakes: Manifold, reals: Manifold, *, k: int = K_PRECISION, k_density: int = K_DENSITY) -> Overlap:
    """How `fakes` lie over `reals`: precision and recall by `k` neighbours, density and coverage by `k_density`.

    Raises:
        ValueError: a manifold was made for fewer neighbours.
    """
    import torch

    radii = (reals.radii(k), fakes.radii(k), reals.radii(k_density))
    margin = _ROUNDING * sum(float(each.features.square().sum(1).max()) for each in (fakes, reals))
    real_balls, fake_balls, wide_balls = (each - margin for each in radii)
    n, m = len(fakes.features), len(reals.features)
    precise, recalled, inside, covered = torch.zeros(n, dtype=torch.bool), 0, 0, 0
    for rows, distances in _distances(reals.features, fakes.features):
        precise |= (distances < real_balls[rows, None]).any(0)
        recalled += int((distances < fake_balls).any(1).sum())
        inside += int((distances < wide_balls[rows, None]).sum())
        covered += int((distances.amin(1) < wide_balls[rows]).sum())
    return Overlap(int(precise.sum()) / n, recalled / m, inside / (k_density * n), covered / m)


def _distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances of x [N, D] to y [M, D], some rows of x at a time: which, and [rows, M], free to be changed."""
    import torch

    lengths = y.square().sum(1)
    size = max(1, _BLOCK // len(y))
    for start in range(0, len(x), size):
        block = x[start : start + size]
        distances = torch.addmm(lengths, block, y.T, alpha=-2).add_(block.square().sum(1)[:, None])
        yield slice(start, start + size), distances.clamp_(min=0)


class PrecisionRecall(FeatureMetric):
    """`--prdc`."""

    key = "prdc"
    order = 30
    title = "precision, recall, density and coverage"
    help = "Precision, recall, density and coverage (higher is better)."
    quantities = (
        Quantity(
            "precision", f"share of generated images within the real ones ({K_PRECISION} neighbours)", "higher", high=1
        ),
        Quantity(
            "recall", f"share of real images within the generated ones ({K_PRECISION} neighbours)", "higher", high=1
        ),
        Quantity("density", f"real neighbourhoods around a generated image ({K_DENSITY} neighbours)", "higher"),
        Quantity(
            "coverage",
            f"share of real neighbourhoods with a generated image ({K_DENSITY} neighbours)",
            "higher",
            high=1,
        ),
    )
    source = "Kynkäänniemi et al., 2019; Naeem et al., 2020"
    least = K_DENSITY + 1

    def check(self, samples: int, reals: int | None, blocks: int) -> None:
        """TooFewNeighboursError where an image of either set has too few others."""
        super().check(samples, reals, blocks)
        for count in (samples, samples if reals is None else reals):
            require_neighbours(count, K_DENSITY)

    def compare(self, samples: Tensor, reals: Collected) -> Numbers:
        """The four numbers."""
        found = overlap(manifold(samples), reals.once("features", manifold))
        return {one.name: (getattr(found, one.name), None) for one in self.quantities}

    def warnings(self, samples: int, reals: int, dim: int) -> list[str]:
        """A sentence for each set whose neighbourhoods are more than a tenth of it.

        A radius then spans what lies between groups of images, and nearly anything counts as inside.
        """
        del dim
        least = NEIGHBOURHOODS * K_DENSITY
        return [
            f"precision, recall, density and coverage with {count} {kind} images are coarse: a neighbourhood of "
            f"k={K_DENSITY} is more than a tenth of them; {way_out} ({least} or more)"
            for count, kind, way_out in small_sets(samples, reals, least)
        ]


METRIC = PrecisionRecall()
