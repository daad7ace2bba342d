"""The losses of StyleGAN2 and its two lazy regularizers; pure functions on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

PATH_DECAY = 0.01  # how fast the running mean of path lengths follows


def logistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's logistic loss on logits of any shape (Goodfellow et al., 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def nonsaturating_g(fake: Tensor) -> Tensor:
    """The generator's non-saturating loss on logits of any shape (Goodfellow et al., 2014)."""
    return F.softplus(-fake).mean()


def r1(discriminate: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E‖∇D(x)‖² on real pictures, without its factor γ/2 (Mescheder et al., 2018, Eq. 9).

    images: [N, 3, H, W]. A map of logits is averaged for each picture first.
    """
    images = images.detach().requires_grad_()
    logits = discriminate(images).flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


class PathLength(NamedTuple):
    """The penalty (scalar), the running mean to carry on (scalar, no gradient), the lengths [N]."""

    penalty: Tensor
    mean: Tensor
    lengths: Tensor


def path_length(image: Tensor, ws: Tensor, mean: Tensor, noise: Tensor) -> PathLength:
    """How far ‖Jᵀy‖ strays from its running mean (Karras et al., 2020, Eq. 4).

    image: [N, 3, H, W], drawn from ws: [N, L, D]; noise: standard normal, the image's shape; mean: scalar.
    As in the published code the penalty is taken to the updated mean, gradient included.
    """
    scaled = noise / math.sqrt(image.shape[2] * image.shape[3])
    (jacobian,) = torch.autograd.grad((image * scaled).sum(), ws, create_graph=True)
    lengths = jacobian.square().sum(2).mean(1).sqrt()
    updated = mean.lerp(lengths.mean(), PATH_DECAY)
    return PathLength((lengths - updated).square().mean(), updated.detach(), lengths.detach())


# Cluster-wise mode seeking (Seo et al., ICCV 2023): pictures near the same shot must not become the same picture.
#
# Two latents of one cluster should stay as far apart, relative to z, in w, in every feature map and in the picture.


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


def mode_seeking_loss(ratios: Tensor, pairs: Pairs, epsilon: float) -> Tensor:
    """1 / (x + ε), with x the weighted sum of the ratios [P]; zero where there is no pair."""
    if not len(ratios):
        return ratios.sum()
    return 1 / ((ratios * ratios.new_tensor(pairs.weights)).sum() + epsilon)


# Mean absolute differences of chosen pairs, with a backward of their own that keeps nothing but the samples.


_BLOCK = 1 << 20  # entries of the differences at once
_CACHED = 1 << 18  # … on a processor, in whose cache they stay


def mean_absolute(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """mean |x[first] - x[second]| for P pairs of N samples, summed in float32 at least.

    x: [N, …] of any floating type; first, second: int64 [P]. Returns [P]. Differentiable once.
    """
    distances: Tensor = _MeanAbsolute.apply(_rows(x), first, second)  # type: ignore[no-untyped-call]
    return distances


class _MeanAbsolute(torch.autograd.Function):
    """∂/∂x[i] of |x[i] - x[j]| is the sign of the difference; it is formed again, block by block, in the backward."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(rows, first, second)
        blocks = torch.split(rows, _width(first), 1)
        return torch.stack([_differences(block, first, second).abs().sum(1) for block in blocks]).sum(0) / rows.shape[1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, first, second = ctx.saved_tensors
        ends = _ends(first, second, len(rows)) * (gradient / rows.shape[1])  # [N, P]
        result = torch.empty_like(rows)
        width = _width(first)
        for block, out in zip(torch.split(rows, width, 1), torch.split(result, width, 1), strict=True):
            out.copy_(ends @ _differences(block, first, second).sign_())
        return result, None, None


def _rows(x: Tensor) -> Tensor:
    """[N, D], a view where the memory allows; the order of the entries of a sample does not matter."""
    return x.flatten(1) if x.dim() < 4 or x.is_contiguous() else x.permute(0, 2, 3, 1).flatten(1)


def _width(first: Tensor) -> int:
    block = _CACHED if first.device.type == "cpu" else _BLOCK
    return max(1, block // max(1, len(first)))


def _differences(block: Tensor, first: Tensor, second: Tensor) -> Tensor:
    wide = block.to(torch.promote_types(block.dtype, torch.float32))
    return wide.index_select(0, first).sub_(wide.index_select(0, second))


def _ends(first: Tensor, second: Tensor, samples: int) -> Tensor:
    """[N, P]: 1 where a pair begins, -1 where it ends."""
    numbers = torch.arange(samples, device=first.device)[:, None]
    return (numbers == first).to(torch.float32) - (numbers == second).to(torch.float32)


# Originality: pictures of random latents should come no nearer to a shot than shots come to each other.
#
# Our own. Anchors and the energy distance draw pictures to ten shots, and in a plain style a picture that a network
# finds
# alike is soon the same in nearly every pixel. What counts as near follows from the shots, pixel by pixel: as in
# `evaluation.metrics.memorization`, from the distance of each to the nearest other, but by their lower quartile, not
# by the least.


QUARTER = 4


class MemorizationPenalty:
    """What copies of shots cost, and mirrored copies where shots are shown mirrored as well.

    shots: [K, 3, R, R]. near: within this mean squared difference a quarter of the shots have another one that differs;
    0, and nothing is called a copy, where they are all one picture.
    """

    def __init__(self, shots: Tensor, *, mirror: bool) -> None:
        self.shots = torch.cat([shots, shots.flip(3)]) if mirror else shots
        others = apart(shots, shots)
        nearest = others.masked_fill(~differ(others), torch.inf).amin(1).sort().values
        near = nearest[(len(nearest) - 1) // QUARTER]
        self.near = torch.where(near.isfinite(), near, 0.0)

    def loss(self, images: Tensor) -> Tensor:
        """From 0, where no picture is near a shot, to 1, where all are copies; a scalar. images: [N, 3, R, R]."""
        nearest = self.shots[apart(images.detach(), self.shots).argmin(1)]
        missing = (self.near - (images - nearest).square().mean((1, 2, 3))).clamp(min=0)
        return (missing / self.near.clamp(min=SAME)).square().mean()


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The mean squared differences of N pictures from M others, [N, M]; no gradient passes."""
    a, b = a.flatten(1), b.flatten(1)
    # Not by products, which would leave equal pictures a little apart.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / a.shape[1]


# The energy distance: how differently two sets are spread (Székely & Rizzo, 2013).
#
# Of pictures of random latents and shots it is least where the pictures are as near to the shots as these are to each
# other, and as far from each other: it draws every picture to the shots, and pictures apart. Mode seeking (Seo et al.,
# ICCV 2023) does the second alone, anchors the first alone.


def energy_distance(images: Tensor, shots: Tensor) -> Tensor:
    """2 E|x-s| - E|x-x'| - E|s-s'|, a scalar; of few it can fall below zero.

    images: [N, D], N at least 2; shots: [K, D]: embeddings, whose Euclidean distances count. Their squares, which
    perceptual distances are, would tell no more than how far apart the means of the two sets are.
    """
    return 2 * _distances(images, shots).mean() - _among(images) - (_among(shots) if len(shots) > 1 else 0.0)


def _among(points: Tensor) -> Tensor:
    count = len(points)
    return _distances(points, points).sum() / (count * (count - 1))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # Not by products: equal points would be a little apart, or have no gradient that is a number.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


# Which distances among shots are of two pictures, and which of one that is there twice, or of one burst of photos.


SAME = 1e-5  # a picture's own distance from itself stays below, see `evaluation.metrics.memorization`
SHARE = 0.01  # of the mean distance: a tenth of it in length, where drawings of one style have a fifth and more


def differ(apart: Tensor) -> Tensor:
    """Whether two shots are different pictures, [K, K]. apart: their squared distances by any measure, [K, K]."""
    return apart > max(SAME, SHARE * float(apart.mean()))
