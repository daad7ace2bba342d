"""The kernel distance (KID) between two sets of features: a squared maximum mean discrepancy (Binkowski et al., 2018).

The kernel is k(x, y) = (x·y / D + 1)³. Of m images each, the unbiased estimate (their Eq. 4) is the mean of k over
all pairs of different x, plus that of different y, minus twice that of every x with every y. It is 0 on average
between sets of one distribution, however small, and so may be negative. KID is its mean over subsets of the images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lfsgan_cli.evaluation.registry import Collected, FeatureMetric, Numbers, Quantity, require_two, small_sets

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 1000  # images of a subset; published KIDs are of this size or near it
# Two sets out of one style of avatars, by efficientnet-lite0, where KID is 0: its standard deviation was 0.018 with 10
# images each, 0.003 with 50, 0.0004 with 500. Two styles are 0.22 apart, and tasks are compared by much less.
FEW = 50
_BLOCK = 1 << 23  # entries of a kernel matrix that are in memory at once: 64 MB in float64

Subset: TypeAlias = "tuple[Tensor, Tensor]"  # int64 [m] each: which images of x, which of y


@dataclass(frozen=True)
class Kid:
    """A kernel distance. value: the mean over `subsets` subsets of `size` images of each set.

    error: the standard error of that mean, which says how far other subsets of the *same* images would move it, and
    nothing of other images (`--blocks` does); None where one subset is all there is.
    """

    value: float
    error: float | None
    subsets: int
    size: int


def kid(x: Tensor, y: Tensor, *, subsets: int = 100, size: int = SIZE, seed: int = 0) -> Kid:
    """KID of the features x [N, D] and y [M, D], in float64 on the CPU.

    Where a set has fewer images than `size`, the smaller set's count is taken in its place; where that is all of
    both sets, every subset is the same one, and it is measured once. The result says so.

    Raises:
        TooFewToMeasureError: N or M is below 2.
        ValueError: `size` below 2, or `subsets` below 1.
    """
    import torch

    if size < 2 or subsets < 1:
        raise ValueError(f"{subsets} subsets of {size}: expected one or more, of two images or more")
    require_two("a kernel distance", min(len(x), len(y)))
    chosen = draw_subsets(len(x), len(y), subsets=subsets, size=size, seed=seed)
    values = _discrepancies(x.detach().to("cpu", torch.float64), y.detach().to("cpu", torch.float64), chosen)
    error = None if len(chosen) == 1 else float(values.std()) / len(chosen) ** 0.5
    return Kid(float(values.mean()), error, len(chosen), len(chosen[0][0]))


def draw_subsets(n: int, m: int, *, subsets: int, size: int, seed: int) -> list[Subset]:
    """Subsets of n and m images, without replacement within a subset; one alone where it holds them all."""
    import numpy as np
    import torch

    size = min(n, m, size)
    stream = np.random.RandomState(seed)
    return [
        (torch.from_numpy(stream.permutation(n)[:size]), torch.from_numpy(stream.permutation(m)[:size]))
        for _ in range(1 if size == max(n, m) else subsets)
    ]


def _discrepancies(x: Tensor, y: Tensor, chosen: Sequence[Subset]) -> Tensor:
    """The estimate of each subset: [subsets]. From the kernel of all pairs, where that is less work than its parts."""
    import torch

    size = len(chosen[0][0])
    if len(x) ** 2 + len(y) ** 2 + len(x) * len(y) > 3 * len(chosen) * size**2:
        everything = torch.ones(1, size, dtype=x.dtype)
        return torch.cat([_estimates(x[i], y[j], everything, everything) for i, j in chosen])
    return _estimates(x, y, _members([i for i, _ in chosen], len(x)), _members([j for _, j in chosen], len(y)))


def _members(chosen: Sequence[Tensor], count: int) -> Tensor:
    """[subsets, count]: 1 where the subset has the image, else 0."""
    import torch

    return torch.zeros(len(chosen), count, dtype=torch.float64).scatter_(1, torch.stack(list(chosen)), 1)


def _estimates(x: Tensor, y: Tensor, in_x: Tensor, in_y: Tensor) -> Tensor:
    """The unbiased estimate of every subset, whose images in_x [B, N] and in_y [B, M] mark: [B]."""
    size = in_x[0].sum()
    pairs = size * (size - 1)
    return (
        (_kernel_sums(x, x, in_x, in_x) - in_x @ _kernel_of_itself(x)) / pairs
        + (_kernel_sums(y, y, in_y, in_y) - in_y @ _kernel_of_itself(y)) / pairs
        - 2 * _kernel_sums(x, y, in_x, in_y) / size**2
    )


def _kernel_sums(x: Tensor, y: Tensor, in_x: Tensor, in_y: Tensor) -> Tensor:
    """The sum of k over every x and every y of a subset, for all subsets: [B]. The matrix is never whole in memory."""
    import torch

    sums = torch.zeros(in_x.shape[0], y.shape[0], dtype=x.dtype)
    rows = max(1, _BLOCK // len(y))
    for block, marks in zip(torch.split(x, rows), torch.split(in_x, rows, dim=1), strict=True):
        sums += marks @ (block @ y.T / x.shape[1] + 1) ** 3
    return (sums * in_y).sum(1)


def _kernel_of_itself(x: Tensor) -> Tensor:
    """k(x, x) of every image: [N]."""
    return (x.square().sum(1) / x.shape[1] + 1) ** 3


class KernelDistance(FeatureMetric):
    """`--kid`."""

    key = "kid"
    order = 20
    title = "KID"
    help = "Kernel distance of features, unbiased for small sets (lower is better)."
    quantities = (
        Quantity("kid", "kernel distance, unbiased, with the standard error over its subsets", "lower", low=None),
    )
    source = "Bińkowski et al., 2018"

    def compare(self, samples: Tensor, reals: Collected) -> Numbers:
        """The distance and its error."""
        found = kid(samples, reals["features"])
        return {"kid": (found.value, found.error)}

    def warnings(self, samples: int, reals: int, dim: int) -> list[str]:
        """A sentence for each set of fewer than FEW images, and one where subsets had to be smaller than SIZE.

        KID is unbiased for any count, so smaller subsets do not shift it; but its variance grows as the count falls.
        """
        del dim
        few = [
            f"KID with {count} {kind} images varies much by chance: it needs {FEW} or more; {way_out}"
            for count, kind, way_out in small_sets(samples, reals, FEW)
        ]
        size = min(samples, reals)
        if few or size >= SIZE:
            return few
        return [f"KID is of subsets of {size} images, not the usual {SIZE}: unbiased all the same, but less certain"]


METRIC = KernelDistance()
