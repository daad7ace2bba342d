"""How varied the pictures around each shot are: Intra-LPIPS (Ojha et al., 2021) and Balanced Inter- and Intra-LPIPS.

B-LPIPS is that of LFS-GAN (Seo et al., 2023), as its published evaluation computes it. Of the first 1,000 pictures each
belongs to the shot nearest to it, so that K shots have clusters of n₁…n_K of the N pictures. With pᵢ = nᵢ/N + 1e-5, and
dᵢ the mean distance over all pairs of the first 50 members of cluster i,

    I-LPIPS = mean of dᵢ,    B-LPIPS = sum of -pᵢ log₁₀ pᵢ · dᵢ,    both over the clusters with two members or more.

Clusters without a pair are passed over, which flatters a collapsed generator in the former and costs it in the latter.
The weights -pᵢ log₁₀ pᵢ of even clusters sum to log₁₀ K, 1 for ten shots alone: B-LPIPS / log₁₀ K is the normalised
form, in which numbers from different numbers of shots compare. The published script takes the files in the order of the
folder, which no system promises; here the order is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.metrics.names import require_two
from lfsgan_cli.evaluation.metrics.perceptual import MeanDistance, pairwise

FIRST = 1000  # pictures
MEMBERS = 50  # of a cluster, whose pairs are measured
_EPSILON = 1e-5


class NoPairError(LfsganError):
    """Every picture is the only one near its shot."""

    def __init__(self, pictures: int, shots: int) -> None:
        super().__init__(
            f"no two of {pictures} pictures are nearest to the same of {shots} shots: expected at least one pair; "
            f"more than {shots} pictures always have one"
        )


@dataclass(frozen=True)
class Diversity:
    """How varied pictures are around their shots.

    intra: I-LPIPS. balanced: B-LPIPS, a hair below zero where all pictures are in one cluster, which weighs -4e-6.
    normalised: B-LPIPS / log₁₀ K; None for one shot, which has no balance. counts: the pictures of each cluster, in the
    order of the shots. distances: the mean over each cluster's pairs, None where it has no pair.
    """

    intra: float
    balanced: float
    normalised: float | None
    counts: tuple[int, ...]
    distances: tuple[float | None, ...]


class Clusters:
    """The pictures nearest to each shot, fed in order as embeddings of one `Judge`; none of them is kept.

    Beside the shots it holds a sum in float64 for each cluster, together 12 bytes a shot and dimension: 17 MB for ten
    shots judged by EfficientNet-Lite0, 1 GB by LPIPS-VGG at 256 pixels.

    shots: [K, D]. members: how many of a cluster have their pairs measured. first: how many pictures count.
    """

    def __init__(self, shots: Tensor, *, members: int = MEMBERS, first: int = FIRST) -> None:
        self._shots = shots
        self._members = members
        self._first = first
        self._counts = [0] * len(shots)
        self._means = [MeanDistance() for _ in range(len(shots))]

    @property
    def count(self) -> int:
        """How many pictures count so far, `first` at most."""
        return sum(self._counts)

    def add(self, embeddings: Tensor) -> Tensor:
        """Take in the next pictures' embeddings [n, D]. Returns the distances of all of them to the shots, [n, K]."""
        distances = pairwise(embeddings, self._shots)
        counted = embeddings[: self._first - self.count]
        owners = distances[: len(counted)].argmin(1)
        for cluster in sorted(set(owners.tolist())):
            self._add(cluster, counted, torch.nonzero(owners == cluster)[:, 0])
        return distances

    def diversity(self) -> Diversity:
        """That of the pictures so far. TooFewToMeasureError for fewer than two, NoPairError where none share a shot."""
        return balance(self._counts, [mean.value() if mean.count > 1 else None for mean in self._means])

    def _add(self, cluster: int, embeddings: Tensor, found: Tensor) -> None:
        mean = self._means[cluster]
        mean.add(embeddings[found[: self._members - mean.count]])
        self._counts[cluster] += len(found)


def from_distances(to_shots: Tensor, among: Tensor, *, members: int = MEMBERS, first: int = FIRST) -> Diversity:
    """That of pictures whose distances are known: to the K shots, [N, K], and among themselves, [N, N]."""
    owners = to_shots[:first].argmin(1)
    found = [torch.nonzero(owners == cluster)[:, 0] for cluster in range(to_shots.shape[1])]
    return balance([len(indices) for indices in found], [_mean_pair(among, indices[:members]) for indices in found])


def balance(counts: Sequence[int], distances: Sequence[float | None]) -> Diversity:
    """The published formula, of how many pictures each cluster has and the mean distance over its pairs.

    Raises:
        TooFewToMeasureError: fewer than two pictures.
        NoPairError: no cluster has a pair.
    """
    require_two("B-LPIPS", sum(counts))
    pairs = [(weight, mean) for weight, mean in zip(weights(counts), distances, strict=True) if mean is not None]
    if not pairs:
        raise NoPairError(sum(counts), len(counts))
    balanced = sum(weight * mean for weight, mean in pairs)
    even = math.log10(len(counts))
    return Diversity(
        intra=sum(mean for _, mean in pairs) / len(pairs),
        balanced=balanced,
        normalised=balanced / even if even else None,
        counts=tuple(counts),
        distances=tuple(distances),
    )


def weights(counts: Sequence[int]) -> list[float]:
    """What each cluster adds to the entropy of the counts, in decimal digits: log₁₀ K in all where they are even."""
    shares = [count / sum(counts) + _EPSILON for count in counts]
    return [-share * math.log10(share) for share in shares]


def _mean_pair(among: Tensor, indices: Tensor) -> float | None:
    if len(indices) < 2:
        return None
    above = torch.triu_indices(len(indices), len(indices), 1).unbind()
    return float(among[indices][:, indices][above].double().mean())
