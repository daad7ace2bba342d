"""Cluster-wise mode seeking (Seo et al., ICCV 2023): pictures near the same shot must not become the same picture.

Two latents of one cluster should stay as far apart, relative to z, in w, in every feature map and in the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from lfsgan_cli.training.pair_distances import mean_absolute

Compared: TypeAlias = Literal["members", "first"]
Scale: TypeAlias = Literal["mean", "sum"]

# Which samples are compared, given a cluster's members; what a pair counts, given the number of its cluster's pairs.
_COMPARED: dict[Compared, Callable[[Sequence[int]], Sequence[int]]] = {
    "members": lambda members: members,
    "first": lambda members: range(len(members)),
}
_SHARES: dict[Scale, Callable[[int], float]] = {"mean": lambda pairs: 1 / pairs, "sum": lambda _pairs: 1.0}
_LEAST = 1e-12  # a distance that can be divided by: latents that fell together have ratios of zero, not of nothing


class Pairs(NamedTuple):
    """The pairs of samples that count: their indices, int64 [P], and how much each one counts, P numbers."""

    first: Tensor
    second: Tensor
    weights: Sequence[float]


def pairs_of(clusters: Tensor, compared: Compared, scale: Scale) -> Pairs:
    """The pairs that count, and their weights, averaged over the clusters of two members or more.

    clusters: [N], the nearest centre of each sample. compared: a cluster's members, which is what the paper means, or
    as many of the first samples, as in the public LFS-GAN code. scale: the mean over a cluster's pairs, or, as in that
    code, their sum. No pairs where no cluster has two members.
    """
    chosen, share = _COMPARED[compared], _SHARES[scale]
    members = [torch.nonzero(clusters == each).flatten().tolist() for each in clusters.unique()]  # type: ignore[no-untyped-call]
    groups = [list(combinations(chosen(one), 2)) for one in members if len(one) > 1]
    weights: dict[tuple[int, int], float] = {}
    for group in groups:
        for pair in group:
            weights[pair] = weights.get(pair, 0.0) + share(len(group)) / len(groups)
    indices = torch.tensor(list(weights), dtype=torch.int64, device=clusters.device).reshape(-1, 2)
    return Pairs(indices[:, 0], indices[:, 1], list(weights.values()))


def pair_ratios(z: Tensor, w: Tensor, features: Sequence[Tensor], images: Tensor, pairs: Pairs) -> Tensor:
    """Of every pair: |Δw|/|Δz| + the mean over layers of |Δf|/|Δw| + |ΔI|/|Δw|, [P].

    |·| is the mean absolute value; where it is zero below a bar, so it is above, and the ratio is zero.
    z, w: [N, D]; features: L tensors [N, …]; images: [N, 3, H, W].
    """
    dz, dw, di = (mean_absolute(x, pairs.first, pairs.second) for x in (z, w, images))
    layers = torch.stack([mean_absolute(x, pairs.first, pairs.second) for x in features]).mean(0)
    return dw / dz.clamp(min=_LEAST) + (layers + di) / dw.clamp(min=_LEAST)


def seek(ratios: Tensor, pairs: Pairs, epsilon: float) -> Tensor:
    """1 / (x + ε), with x the weighted sum of the ratios [P]; zero where there is no pair."""
    if not len(ratios):
        return ratios.sum()
    return 1 / ((ratios * ratios.new_tensor(pairs.weights)).sum() + epsilon)
