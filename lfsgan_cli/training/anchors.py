"""Anchors: latents that stand for training images, how they are chosen, and samples around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.batches import Advance, RandomSource
from lfsgan_cli.training.config import AnchorNoise, AnchorsConfig
from lfsgan_cli.training.perceptual import PerceptualDistance

BATCH = 50  # candidates that are generated at once, while their feature maps are small
LARGEST_MAP = 1 << 28  # bytes of the largest feature map of such a batch


class Near(NamedTuple):
    """Samples around anchors.

    z: [N, D]; images: the index of each one's anchor, and so of its training image, [N]; closeness: the cosine between
    a sample and its anchor, 1 at the anchor itself, [N].
    """

    z: Tensor
    images: Tensor
    closeness: Tensor


class Anchors:
    """Fixed points in z, one for each training image; samples near them are scored as whole images.

    The idea is from Ojha et al., 2021 (few-shot image generation via cross-domain correspondence), where all samples
    are equally near (`fixed`). With `varied` noise, some are at the anchor and some far from it, so that what is
    learned at the anchors generalizes.
    points: [K, D]; spread: the largest standard deviation of the noise that is added to a point.
    """

    def __init__(self, points: Tensor, spread: float, noise: AnchorNoise) -> None:
        self.points, self.spread, self.noise = points, spread, noise

    def near(self, count: int, random: RandomSource) -> Near:
        """`count` samples: a random anchor each, plus normal noise of a standard deviation as `noise` says."""
        chosen = random.indices(len(self.points), count)
        shares = random.uniform(count) if self.noise == "varied" else self.points.new_ones(count)
        deviation = self.spread * shares
        z = self.points[chosen] + deviation[:, None] * random.normal(count, self.points.shape[1])
        # In high dimensions noise is orthogonal to the anchor, and as long as it at a standard deviation of 1.
        return Near(z, chosen, torch.rsqrt(1 + deviation.square()))


def anchor_work(config: AnchorsConfig, images: int) -> int:
    """How many generated images `anchor_points` looks at, for so many training images."""
    relative = config.kind == "relative"
    return max(config.candidates, images) + images * config.inversion_steps if relative else 0


def anchor_points(
    base: Generator,
    perceptual: PerceptualDistance,
    config: AnchorsConfig,
    random: RandomSource,
    dtype: torch.dtype,
    advance: Advance,
) -> Tensor:
    """A latent for each of K training images, [K, D], as `config` asks for, or none of them, [0, D].

    advance: told of each generated image.
    """
    count = len(perceptual.images) if config.kind != "none" else 0
    if config.kind != "relative":
        return random.normal(count, base.config.w_dim)
    compared = relative(perceptual.to_images)

    def distances(images: Tensor) -> Tensor:
        advance(len(images))
        return compared(images)

    points = most_similar(base, distances, count, candidates=config.candidates, random=random, dtype=dtype)
    owners = torch.arange(count, device=points.device)
    return inverted(base, points, owners, distances, steps=config.inversion_steps, dtype=dtype)


@torch.no_grad()
def most_similar(
    generator: Generator,
    distances: Callable[[Tensor], Tensor],
    images: int,
    *,
    candidates: int,
    random: RandomSource,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """For each of K training images, a latent of its own whose generated image is nearest to it: [K, D].

    distances: from generated images [N, 3, R, R] to their distances from every training image, [N, K]. candidates: how
    many latents to choose among; at least K are used. dtype: of the feature maps, as for `Synthesis`.
    """
    z = random.normal(max(candidates, images), generator.config.w_dim)
    batch = max(1, min(BATCH, LARGEST_MAP // (generator.config.largest_map * 4)))
    table = torch.cat([distances(generator(part, dtype=dtype)) for part in torch.split(z, batch)]).cpu()
    rows = [0] * images
    for _ in range(images):  # the best pair first; its latent and its image are then taken
        row, image = divmod(int(table.argmin()), images)
        rows[image] = row
        table[row] = torch.inf
        table[:, image] = torch.inf
    return z[rows]


def relative(distances: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Distances less their mean over all training images: which one an image resembles more than the others.

    The base's images are of another domain. The plainest of them are nearest to every training image, and would not
    distinguish any; a long-haired drawing is *relatively* nearest to long-haired images.
    """

    def compared(images: Tensor) -> Tensor:
        table = distances(images)
        return table - table.mean(1, keepdim=True)

    return compared


# Inversion: latents moved by gradient descent until their generated images come nearer to given images.


INVERSION_BATCH = 4  # latents that share a graph
RATE = 0.05  # of Adam, for entries of standard deviation one


def inverted(
    generator: Generator,
    points: Tensor,
    images: Tensor,
    distances: Callable[[Tensor], Tensor],
    *,
    steps: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The points [A, D] after `steps` of Adam, each with its norm unchanged, so that it stays as likely a latent.

    images: the index of each one's image, [A]. distances: as for `anchors.most_similar`; gradients must pass.
    """
    moved = []
    for start, targets in zip(torch.split(points, INVERSION_BATCH), torch.split(images, INVERSION_BATCH), strict=True):
        norm = start.norm(dim=1, keepdim=True)
        z = start.clone().requires_grad_()
        adam = torch.optim.Adam([z], lr=RATE)
        for _ in range(steps):
            table = distances(generator(z, dtype=dtype))
            z.grad = torch.autograd.grad(table.gather(1, targets[:, None]).sum(), z)[0]
            adam.step()
            with torch.no_grad():
                z.copy_(norm * normalize(z, dim=1))
        moved.append(z.detach())
    return torch.cat(moved)
