"""Cluster-wise mode seeking (Seo et al., ICCV 2023): pictures near the same shot must not become the same picture.

Two latents of one cluster should stay as far apart, relative to z, in w, in every feature map and in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-5


def pair_ratios(z: Tensor, w: Tensor, features: Sequence[Tensor], images: Tensor) -> Tensor:
    """Of every two of N samples: |Δw|/|Δz| + the mean over layers of |Δf|/|Δw| + |ΔI|/|Δw|.

    |·| is the mean absolute value. z, w: [N, D]; features: L tensors [N, …]; images: [N, 3, H, W]. Returns [N, N]; the
    diagonal means nothing.
    """
    apart = torch.eye(len(z), dtype=z.dtype, device=z.device)  # keeps the diagonal from dividing by zero
    dz, dw = _distances(z) + apart, _distances(w) + apart
    layers = torch.stack([_distances(feature) for feature in features]).mean(0)
    return dw / dz + (layers + _distances(images)) / dw


def cluster_wise(ratios: Tensor, clusters: Tensor) -> Tensor:
    """1 / (x + ε), with x the mean over clusters of the mean ratio over pairs of the cluster's members.

    ratios: [N, N] from `pair_ratios`; clusters: [N], the nearest shot of each sample. Zero where no cluster has two.
    """
    sums, counts = [], []
    for cluster in clusters.unique():  # type: ignore[no-untyped-call]
        (members,) = torch.nonzero(clusters == cluster, as_tuple=True)
        sums.append(_upper(ratios[members][:, members]))
        counts.append(len(members) * (len(members) - 1) // 2)
    means = [total / count for total, count in zip(sums, counts, strict=True) if count]
    return _inverse(torch.stack(means).mean()) if means else ratios.new_zeros(())


def published(ratios: Tensor, clusters: Tensor) -> Tensor:
    """The value of the public LFS-GAN code: for a cluster of n it sums over the pairs of the first n samples.

    Kept to reproduce that code; see `cluster_wise` for what the paper means.
    """
    _, members = clusters.unique(return_counts=True)  # type: ignore[no-untyped-call]
    sizes = [int(size) for size in members if size > 1]
    if not sizes:
        return ratios.new_zeros(())
    return _inverse(torch.stack([_upper(ratios[:size, :size]) for size in sizes]).sum() / len(sizes))


def _distances(x: Tensor) -> Tensor:
    """Mean absolute difference of every two rows, [N, N]."""
    flat = x.flatten(1)
    return torch.cdist(flat, flat, p=1) / flat.shape[1]


def _upper(matrix: Tensor) -> Tensor:
    return matrix.triu(1).sum()


def _inverse(x: Tensor) -> Tensor:
    return 1 / (x + EPSILON)
