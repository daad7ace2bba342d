"""Resampling and activation: pure torch, any device, differentiable as often as one likes.

The resampling filter is [1, 3, 3, 1] in both directions. It is symmetric, so convolution and correlation agree, and
depthwise convolutions do all resampling in one pass.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN = math.sqrt(2.0)  # keeps the variance after a leaky ReLU


@lru_cache(maxsize=64)
def _filter(channels: int, gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The 4×4 filter for each channel, [channels, 1, 4, 4], summing to `gain`. Kept, as copies make a GPU wait."""
    with torch.inference_mode(mode=False):  # what is made in that mode could not be used outside of it
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=dtype, device=device)
        return (torch.outer(taps, taps) * (gain / 64)).expand(channels, 1, 4, 4)


class _Down(torch.autograd.Function):
    """The filter, then every `stride`-th pixel. Its backward is the adjoint alone.

    PyTorch's own double backward would also compute the gradient of the filter, which is a constant: one convolution
    for each channel.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int, stride: int, gain: float) -> Tensor:
        ctx.given = padding, stride, gain, x.shape[2:]
        return F.conv2d(
            x, _filter(x.shape[1], gain, x.dtype, x.device), padding=padding, stride=stride, groups=x.shape[1]
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _Up.apply(gradient, *ctx.given), None, None, None  # type: ignore[no-untyped-call]


class _Up(torch.autograd.Function):
    """The adjoint of `_Down`: zeros between the pixels, then the filter, to a given height and width."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, padding: int, stride: int, gain: float, size: tuple[int, int]) -> Tensor:
        ctx.given = padding, stride, gain
        bare = [(side - 1) * stride - 2 * padding + 4 for side in x.shape[2:]]
        more = [side - least for side, least in zip(size, bare, strict=True)]
        return F.conv_transpose2d(
            x, _filter(x.shape[1], gain, x.dtype, x.device),
            padding=padding, stride=stride, output_padding=more, groups=x.shape[1],
        )  # fmt: skip

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _Down.apply(gradient, *ctx.given), None, None, None, None  # type: ignore[no-untyped-call]


def blur(x: Tensor, *, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """[N, C, H, W] filtered after `padding` zeros on each side, then every `stride`-th pixel kept."""
    filtered: Tensor = _Down.apply(x, padding, stride, gain)  # type: ignore[no-untyped-call]
    return filtered


def upsample(x: Tensor) -> Tensor:
    """[N, C, H, W] → [N, C, 2H, 2W]: zeros between the pixels, filtered to keep the brightness."""
    filtered: Tensor = _Up.apply(x, 1, 2, 4.0, (2 * x.shape[2], 2 * x.shape[3]))  # type: ignore[no-untyped-call]
    return filtered


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, written over `x`, which must be nobody else's: its backward needs the result alone.

    Callers multiply what goes in by `GAIN` (a positive factor passes through).
    """
    return F.leaky_relu_(x, 0.2)


def normalize_latent(z: Tensor) -> Tensor:
    """[N, D] scaled to a mean square of one (pixel norm)."""
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
