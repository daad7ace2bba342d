"""Diversity around each few-shot image: Intra-LPIPS (Ojha et al., 2021) and Balanced Inter- and Intra-LPIPS.

B-LPIPS is that of LFS-GAN (Seo et al., 2023), as its published evaluation computes it. Of the first 1,000 images each
belongs to the shot nearest to it, so that K shots have clusters of n₁…n_K of the N images. With pᵢ = nᵢ/N + 1e-5, and
dᵢ the mean distance over all pairs of the first 50 members of cluster i,

    I-LPIPS = mean of dᵢ,    B-LPIPS = sum of -pᵢ log₁₀ pᵢ · dᵢ,    both over the clusters with two members or more.

Clusters without a pair are skipped, which flatters a collapsed generator in the former and costs it in the latter.
The weights -pᵢ log₁₀ pᵢ of even clusters sum to log₁₀ K, 1 for ten shots alone: B-LPIPS / log₁₀ K is the normalised
form, in which numbers from different numbers of shots compare. The published script takes the files in the order of the
folder, which no system promises; here the order is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.registry import (
    Collected,
    Collector,
    Metric,
    Quantity,
    Setting,
    Value,
    blocks_note,
    label,
    over_blocks,
    require_two,
)

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.evaluation.features import Batch

FIRST = 1000  # images
MEMBERS = 50  # of a cluster, whose pairs are measured
_EPSILON = 1e-5


class NoPairError(LfsganError):
    """Every image is the only one near its shot."""

    def __init__(self, images: int, shots: int) -> None:
        super().__init__(
            f"no two of {images} images are nearest to the same of {shots} training images: "
            f"expected at least one pair; more than {shots} images always have one"
        )


@dataclass(frozen=True)
class Diversity:
    """How varied images are around their shots.

    intra: I-LPIPS. balanced: B-LPIPS, a hair below zero where all images are in one cluster, which weighs -4e-6.
    normalised: B-LPIPS / log₁₀ K; None for one shot, which has no balance. counts: the images of each cluster, in the
    order of the shots. distances: the mean over each cluster's pairs, None where it has no pair.
    """

    intra: float
    balanced: float
    normalised: float | None
    counts: tuple[int, ...]
    distances: tuple[float | None, ...]


class MeanDistance:
    """The mean distance over all pairs of the embeddings added so far, none of which is kept.

    Exact, not sampled: over all pairs, ∑ |vᵢ - vⱼ|² = N ∑ |vᵢ|² - |∑ vᵢ|², summed in float64 on the CPU.
    """

    def __init__(self) -> None:
        import torch

        self.count = 0
        self._lengths = 0.0
        self._total = torch.zeros((), dtype=torch.float64)

    def add(self, embeddings: Tensor) -> None:
        """Take in embeddings [n, D]."""
        vectors = embeddings.detach().to("cpu", self._total.dtype)
        self.count += len(vectors)
        self._lengths += float(vectors.square().sum())
        self._total = self._total + vectors.sum(0)

    def value(self) -> float:
        """The mean, never below 0. TooFewToMeasureError for fewer than two embeddings."""
        require_two("a mean perceptual distance", self.count)
        pairs = math.comb(self.count, 2)
        return max(0.0, self.count * self._lengths - float(self._total.square().sum())) / pairs


class Clusters:
    """The images nearest to each shot, fed in order as embeddings of one `Embedder`; none of them is kept.

    Beside the shots it holds a sum in float64 for each cluster, together 12 bytes a shot and dimension: 17 MB for ten
    shots by EfficientNet-Lite0, 1 GB by LPIPS-VGG at 256 pixels.

    shots: [K, D]. members: how many of a cluster have their pairs measured. first: how many images count.
    """

    def __init__(self, shots: Tensor, *, members: int = MEMBERS, first: int = FIRST) -> None:
        self._shots = shots
        self._members = members
        self._first = first
        self._counts = [0] * len(shots)
        self._means = [MeanDistance() for _ in range(len(shots))]

    @property
    def count(self) -> int:
        """How many images count so far, `first` at most."""
        return sum(self._counts)

    def add(self, embeddings: Tensor) -> None:
        """Take in the next images' embeddings [n, D]."""
        import torch

        from lfsgan_cli.evaluation.extractors.perceptual import pairwise

        counted = embeddings[: self._first - self.count]
        owners = pairwise(counted, self._shots).argmin(1)
        for cluster in sorted(set(owners.tolist())):
            members = torch.nonzero(owners == cluster)[:, 0]
            mean = self._means[cluster]
            mean.add(counted[members[: self._members - mean.count]])
            self._counts[cluster] += len(members)

    def diversity(self) -> Diversity:
        """That of the images so far. TooFewToMeasureError for fewer than two, NoPairError where none share a shot."""
        return balance(self._counts, [mean.value() if mean.count > 1 else None for mean in self._means])


def balance(counts: Sequence[int], distances: Sequence[float | None]) -> Diversity:
    """The published formula, of how many images each cluster has and the mean distance over its pairs.

    Raises:
        TooFewToMeasureError: fewer than two images.
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


class ClusterCollector:
    """Diversity of samples in blocks of `size`; a remainder is left out. shots: their embeddings, [K, D]."""

    key: Mapping[str, Any] = {}  # only samples are clustered, and nothing of them is kept between runs

    def __init__(self, shots: Tensor, blocks: int, size: int) -> None:
        self._clusters = [Clusters(shots) for _ in range(blocks)]
        self._size, self._done = size, 0

    def see(self, batch: Batch) -> None:
        """Add each image to the clusters of its block."""
        left = batch.embeddings[: self._size * len(self._clusters) - self._done]
        while len(left):
            room = self._size - self._done % self._size
            self._clusters[self._done // self._size].add(left[:room])
            self._done += len(left[:room])
            left = left[room:]

    def result(self) -> list[Diversity]:
        """One for each block."""
        return [clusters.diversity() for clusters in self._clusters]


class DiversityMetric(Metric):
    """`--lpips`."""

    key = "lpips"
    order = 40
    title = "B-LPIPS"
    help = "Intra-LPIPS and B-LPIPS: diversity around the training images (higher is better)."
    quantities = (
        Quantity("intra_lpips", f"diversity around each training image; of the first {FIRST:,} images", "higher"),
        Quantity("b_lpips", "the same, weighted by how evenly all training images are covered", "higher"),
        Quantity("b_lpips_normalised", "B-LPIPS / log₁₀ K: comparable across numbers of training images", "higher"),
    )
    needs = frozenset({"embeddings", "training images"})
    source = "Ojha et al., 2021; Seo et al., 2023"

    def collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """Clusters of samples around the few shots."""
        if setting.few_shots is None:
            return {}
        size = setting.count // setting.blocks
        return {"clusters": ClusterCollector(setting.few_shots.embeddings, setting.blocks, size)}

    def measure(self, samples: Collected, reals: Collected | None, setting: Setting) -> Iterator[Value]:
        """The numbers; of several blocks their means."""
        del reals
        found: list[Diversity] = samples["clusters"]
        n = sum(found[0].counts)
        note = {"clusters": [list(one.counts) for one in found], **blocks_note(setting.blocks)}
        few = (
            f"published Intra-LPIPS and B-LPIPS are of {FIRST:,} images, these are of {n}; "
            "use more generated images (-n for tasks)"
        )
        warnings = [few] if n < FIRST else []
        for name, (value, error) in over_blocks([_numbers(one) for one in found]).items():
            shown = label(name, f"lpips-{setting.embedder}", n=n, blocks=setting.blocks)
            yield Value(name, shown, value, error, warnings, note)


def _numbers(found: Diversity) -> dict[str, tuple[float, float | None]]:
    known = {"intra_lpips": found.intra, "b_lpips": found.balanced, "b_lpips_normalised": found.normalised}
    return {name: (value, None) for name, value in known.items() if value is not None}


METRIC = DiversityMetric()
