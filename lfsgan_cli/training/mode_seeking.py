"""Cluster-wise mode seeking (Seo et al., ICCV 2023): pictures near the same shot must not become the same picture.

Two latents of one cluster should stay as far apart, relative to z, in w, in every feature map and in the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lfsgan_cli.training.pair_distances import mean_absolute

EPSILON = 1e-5


class Pairs(NamedTuple):
    """The pairs of samples that count: their indices, int64 [P], and how much each one counts, P numbers."""

    first: Tensor
    second: Tensor
    weights: Sequence[float]


def cluster_wise(clusters: Tensor) -> Pairs:
    """Pairs within a cluster, weighted so that it is the mean over clusters of the mean over a cluster's pairs.

    clusters: [N], the nearest shot of each sample. No pairs where no cluster has two members.
    """
    members = [torch.nonzero(clusters == each).flatten().tolist() for each in clusters.unique()]  # type: ignore[no-untyped-call]
    groups = [_pairs_of(one) for one in members if len(one) > 1]
    return _weighted([(pair, 1 / (len(groups) * len(group))) for group in groups for pair in group], clusters)


def published(clusters: Tensor) -> Pairs:
    """The pairs of the public LFS-GAN code: for a cluster of n, those of the first n samples, summed.

    Kept to reproduce that code; see `cluster_wise` for what the paper means.
    """
    _, counts = clusters.unique(return_counts=True)  # type: ignore[no-untyped-call]
    sizes = [size for size in counts.tolist() if size > 1]
    pairs = _pairs_of(range(max(sizes, default=0)))
    return _weighted([(pair, sum(size > pair[1] for size in sizes) / len(sizes)) for pair in pairs], clusters)


def pair_ratios(z: Tensor, w: Tensor, features: Sequence[Tensor], images: Tensor, pairs: Pairs) -> Tensor:
    """Of every pair: |Δw|/|Δz| + the mean over layers of |Δf|/|Δw| + |ΔI|/|Δw|, [P].

    |·| is the mean absolute value. z, w: [N, D]; features: L tensors [N, …]; images: [N, 3, H, W].
    """
    dz, dw, di = (mean_absolute(x, pairs.first, pairs.second) for x in (z, w, images))
    layers = torch.stack([mean_absolute(x, pairs.first, pairs.second) for x in features]).mean(0)
    return dw / dz + (layers + di) / dw


def seek(ratios: Tensor, pairs: Pairs) -> Tensor:
    """1 / (x + ε), with x the weighted sum of the ratios [P]; zero where there is no pair."""
    if not len(ratios):
        return ratios.sum()
    return 1 / ((ratios * ratios.new_tensor(pairs.weights)).sum() + EPSILON)


def _pairs_of(members: Sequence[int]) -> list[tuple[int, int]]:
    return [(one, other) for index, one in enumerate(members) for other in members[index + 1 :]]


def _weighted(pairs: Iterable[tuple[tuple[int, int], float]], like: Tensor) -> Pairs:
    listed = list(pairs)
    indices = torch.tensor([pair for pair, _ in listed], dtype=torch.int64, device=like.device).reshape(-1, 2)
    return Pairs(indices[:, 0], indices[:, 1], [weight for _, weight in listed])
