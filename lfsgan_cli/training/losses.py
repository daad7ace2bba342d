"""The losses of StyleGAN2 and its two lazy regularizers; pure functions on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

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
