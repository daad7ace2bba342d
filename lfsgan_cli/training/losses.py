"""The losses of training, as functions of tensors and as objects where a part is computed once.

Adversarial losses with R1 and path length (Karras et al., 2020), cluster-wise mode seeking (Seo et al., ICCV 2023), the
memorization penalty, and the energy distance (Székely and Rizzo, 2013).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

PATH_DECAY = 0.01  # of the running mean of path lengths


def logistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's logistic loss on logits of any shape (Goodfellow et al., 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def nonsaturating_g(fake: Tensor) -> Tensor:
    """The generator's non-saturating loss on logits of any shape (Goodfellow et al., 2014)."""
    return F.softplus(-fake).mean()


def r1(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E‖∇D(x)‖² on real images, without its factor γ/2 (Mescheder et al., 2018, Eq. 9).

    images: [N, 3, H, W]. A map of logits is averaged for each image first.
    """
    images = images.detach().requires_grad_()
    logits = discriminate(images).flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


class PathLength(NamedTuple):
    """The penalty (scalar), the updated running mean (scalar, no gradient), the lengths [N]."""

    penalty: Tensor
    mean: Tensor
    lengths: Tensor


def path_length(
    image: Tensor, ws: Tensor, mean: Tensor, noise: Tensor, over_ranks: Callable[[Tensor], Tensor] = lambda mean: mean
) -> PathLength:
    """The squared difference of ‖Jᵀy‖ and its running mean (Karras et al., 2020, Eq. 4).

    image: [N, 3, H, W], generated from ws: [N, L, D]; noise: standard normal, the image's shape; mean: scalar.
    As in the published code, the difference is to the updated mean, whose gradient counts. over_ranks: the mean, over
    the processes that train together, of each one's mean.
    """
    scaled = noise / math.sqrt(image.shape[2] * image.shape[3])
    (jacobian,) = torch.autograd.grad((image * scaled).sum(), ws, create_graph=True)
    lengths = jacobian.square().sum(2).mean(1).sqrt()
    updated = mean.lerp(over_ranks(lengths.mean()), PATH_DECAY)
    return PathLength((lengths - updated).square().mean(), updated.detach(), lengths.detach())


# Cluster-wise mode seeking: two latents of one cluster should stay as far apart, relative to z, in w, in every feature
# map and in the image.

_LEAST = 1e-12  # divisor where two latents coincide: their ratio is zero then, not NaN


class Pairs(NamedTuple):
    """Pairs of samples that are compared: their indices, int64 [P], and P weights."""

    first: Tensor
    second: Tensor
    weights: Sequence[float]


def pairs_of(clusters: Tensor, compared: Literal["members", "first"], reduction: Literal["mean", "sum"]) -> Pairs:
    """The pairs to compare, with weights that average over the clusters of two members or more.

    clusters: [N], the nearest center of each sample. compared: a cluster's members, which is what the paper means, or
    as many of the first samples, as in the public LFS-GAN code. reduction: the mean over a cluster's pairs, or, as in
    that code, their sum. No pairs if no cluster has two members.
    """
    members: dict[int, list[int]] = {}
    for sample, cluster in enumerate(clusters.tolist()):  # one read, since each would wait for a GPU
        members.setdefault(cluster, []).append(sample)
    groups = []
    for _, group in sorted(members.items()):
        if len(group) > 1:
            groups.append(list(combinations(group if compared == "members" else range(len(group)), 2)))
    weights: dict[tuple[int, int], float] = {}
    for pairs in groups:
        share = 1 / len(pairs) if reduction == "mean" else 1.0
        for pair in pairs:
            weights[pair] = weights.get(pair, 0.0) + share / len(groups)
    indices = torch.tensor(list(weights), dtype=torch.int64, device=clusters.device).reshape(-1, 2)
    return Pairs(indices[:, 0], indices[:, 1], list(weights.values()))


def pair_ratios(z: Tensor, w: Tensor, features: Sequence[Tensor], images: Tensor, pairs: Pairs) -> Tensor:
    """|Δw|/|Δz| + the mean over layers of |Δf|/|Δw| + |ΔI|/|Δw| for every pair, [P].

    |·| is the mean absolute value. A ratio is zero where its denominator is, since the numerator is zero too.
    z, w: [N, D]; features: L tensors [N, …]; images: [N, 3, H, W].
    """
    dz, dw, di = (mean_absolute(x, pairs.first, pairs.second) for x in (z, w, images))
    layers = torch.stack([mean_absolute(x, pairs.first, pairs.second) for x in features]).mean(0)
    return dw / dz.clamp(min=_LEAST) + (layers + di) / dw.clamp(min=_LEAST)


def mode_seeking_loss(ratios: Tensor, pairs: Pairs, epsilon: float) -> Tensor:
    """1 / (x + ε), with x the weighted sum of the ratios [P]; zero without any pair."""
    if not len(ratios):
        return ratios.sum()
    return 1 / ((ratios * ratios.new_tensor(pairs.weights)).sum() + epsilon)


_BLOCK = 1 << 26  # differences that are computed at once: on a GPU, each block is a few launches
_CPU_BLOCK = 1 << 18  # the same on a CPU, where they stay in the cache


def mean_absolute(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """mean |x[first] - x[second]| for P pairs of N samples, summed in float32 at least.

    x: [N, …] of any floating type; first, second: int64 [P]. Returns [P]. Differentiable once; the backward pass needs
    only the samples, not their differences.
    """
    # [N, D], a view where the memory layout allows; the order of a sample's entries does not matter.
    rows = x.flatten(1) if x.dim() < 4 or x.is_contiguous() else x.permute(0, 2, 3, 1).flatten(1)
    distances: Tensor = _MeanAbsolute.apply(rows, first, second)  # type: ignore[no-untyped-call]
    return distances


class _MeanAbsolute(torch.autograd.Function):
    """∂/∂x[i] of |x[i] - x[j]| is the sign of the difference, which the backward pass computes again in blocks."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(rows, first, second)
        blocks = torch.split(rows, _width(first), 1)
        return torch.stack([_differences(block, first, second).abs().sum(1) for block in blocks]).sum(0) / rows.shape[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, first, second = ctx.saved_tensors
        samples = torch.arange(len(rows), device=first.device)[:, None]
        ends = (samples == first).to(torch.float32) - (samples == second).to(torch.float32)  # [N, P]
        ends = ends * (gradient / rows.shape[1])
        result = torch.empty_like(rows)
        width = _width(first)
        for block, out in zip(torch.split(rows, width, 1), torch.split(result, width, 1), strict=True):
            out.copy_(ends @ _differences(block, first, second).sign_())
        return result, None, None


def _width(first: Tensor) -> int:
    return max(1, (_CPU_BLOCK if first.device.type == "cpu" else _BLOCK) // max(1, len(first)))


def _differences(block: Tensor, first: Tensor, second: Tensor) -> Tensor:
    wide = block.to(torch.promote_types(block.dtype, torch.float32))
    return wide.index_select(0, first).sub_(wide.index_select(0, second))


# Memorization: samples should come no nearer to a training image than training images come to each other. Our own:
# anchors and the energy distance draw samples to few images, and in a plain style a sample that a network finds similar
# is soon equal in nearly every pixel.

_SAME = 1e-5  # an image's squared distance from itself stays below
_SHARE = 0.01  # of the mean squared distance: below, two images count as one that is there twice
_QUARTER = 4


def different(squared: Tensor) -> Tensor:
    """Which of K images differ, and are not one that is there twice, [K, K]. squared: their squared distances."""
    return squared > max(_SAME, _SHARE * float(squared.mean()))


def pixel_distances(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared differences of N images from M others, [N, M]; no gradient passes."""
    a, b = a.flatten(1), b.flatten(1)
    # Not by matrix products, which would leave equal images a little apart.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / a.shape[1]


class MemorizationPenalty:
    """The cost of samples that copy a training image, or its mirror image where training flips images.

    images: [K, 3, R, R]. near: a quarter of the images have another one, not equal to it, within this mean squared
    difference; 0, and no sample is penalized, if all images are equal.
    """

    def __init__(self, images: Tensor, *, mirror: bool) -> None:
        self.images = torch.cat([images, images.flip(3)]) if mirror else images
        others = pixel_distances(images, images)
        nearest = others.masked_fill(~different(others), torch.inf).amin(1).sort().values
        near = nearest[(len(nearest) - 1) // _QUARTER]
        self.near = torch.where(near.isfinite(), near, 0.0)

    def loss(self, samples: Tensor) -> Tensor:
        """From 0, where no sample is near an image, to 1, where all are copies; a scalar. samples: [N, 3, R, R]."""
        nearest = self.images[pixel_distances(samples.detach(), self.images).argmin(1)]
        missing = (self.near - (samples - nearest).square().mean((1, 2, 3))).clamp(min=0)
        return (missing / self.near.clamp(min=_SAME)).square().mean()


class EnergyDistance:
    """2 E|x-s| - E|x-x'| - E|s-s'|: how differently samples x and training images s are spread.

    It is least where samples are as near to the images as these are to each other, and as far from each other: it draws
    every sample to the images, and samples apart. Mode seeking does the second alone, anchors the first alone.

    images: embeddings [K, D], whose Euclidean distances count. Their squares, which perceptual distances are, would
    only compare the means of the two sets.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self._spread = _mean_distance(images) if len(images) > 1 else 0.0

    def loss(self, samples: Tensor) -> Tensor:
        """A scalar; for few samples it can fall below zero. samples: embeddings [N, D], N at least 2."""
        return 2 * _distances(samples, self.images).mean() - _mean_distance(samples) - self._spread


def _mean_distance(points: Tensor) -> Tensor:
    """Over all pairs of two different points."""
    count = len(points)
    return _distances(points, points).sum() / (count * (count - 1))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by matrix products: equal points would be a little apart, or have a gradient of NaN.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
