"""Resampling and activation: pure torch, any device, differentiable as often as one likes.

The resampling filter is [1, 3, 3, 1] in both directions. It is symmetric, so convolution and correlation agree, and
depthwise convolutions do all resampling in one pass.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN = math.sqrt(2.0)  # keeps the variance after a leaky ReLU


def _filter(like: Tensor, gain: float) -> Tensor:
    """The 4×4 filter for each channel of `like`, [C, 1, 4, 4], summing to `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=like.dtype, device=like.device)
    return (torch.outer(taps, taps) * (gain / 64)).expand(like.shape[1], 1, 4, 4)


def blur(x: Tensor, *, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """[N, C, H, W] filtered after `padding` zeros on each side, then every `stride`-th pixel kept."""
    return F.conv2d(x, _filter(x, gain), padding=padding, stride=stride, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """[N, C, H, W] → [N, C, 2H, 2W]: zeros between the pixels, filtered to keep the brightness."""
    return F.conv_transpose2d(x, _filter(x, 4.0), padding=1, stride=2, groups=x.shape[1])


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, written over `x`, which must be nobody else's: its backward needs the result alone.

    Callers multiply what goes in by `GAIN` (a positive factor passes through).
    """
    return F.leaky_relu_(x, 0.2)


def normalize_latent(z: Tensor) -> Tensor:
    """[N, D] scaled to a mean square of one (pixel norm)."""
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
