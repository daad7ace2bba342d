"""Layers of StyleGAN2 with equalized learning rate (Karras et al., 2018, section 4.1), resampling and activation.

Weights have unit variance and are scaled in use. Convolutions compute in the dtype of their input, whatever that of the
weights: feature maps in bfloat16 need half the time and memory where the processor multiplies it. Styles and
demodulation have the dtype of the weights. All of it is plain PyTorch, for any device, differentiable any number of
times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GAIN = math.sqrt(2.0)  # keeps the variance after a leaky ReLU


class Linear(nn.Module):
    """y = x (c·W)ᵀ + m·b, with c = m / √d_in and m the learning-rate multiplier.

    weight: [d_out, d_in]; bias: [d_out], starts so that m·b is `bias_init`.
    """

    def __init__(self, d_in: int, d_out: int, *, bias_init: float = 0.0, multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_out, d_in) / multiplier)
        self.bias = nn.Parameter(torch.full((d_out,), bias_init / multiplier))
        self.multiplier = multiplier

    def forward(self, x: Tensor) -> Tensor:
        """[N, d_in] → [N, d_out]."""
        scale = self.multiplier / math.sqrt(self.weight.shape[1])
        return F.linear(x, self.weight * scale, self.bias * self.multiplier)


class ActivatedLinear(Linear):
    """A `Linear` followed by the leaky ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, d_in] → [N, d_out]."""
        return activate(super().forward(x) * GAIN)


class ModulatedConv2d(nn.Module):
    """A convolution whose input channels are scaled by a style (Karras et al., 2020, section 2.2).

    weight: [1, C_out, C_in, k, k]. The style comes from w through `affine`. Scaling the input by the style and the
    output by the demodulation is the same as scaling the weight per image, and needs one weight for the whole batch.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, w_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, c_out, c_in, kernel, kernel))
        self.affine = Linear(w_dim, c_in, bias_init=1.0)
        self.scale = 1 / math.sqrt(c_in * kernel * kernel)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x: [N, C_in, H, W], w: [N, w_dim] → [N, C_out, H, W], without demodulation."""
        return self.convolve(_scaled(x, self.affine(w) * self.scale))

    def convolve(self, x: Tensor) -> Tensor:
        """The bare convolution of the scaled input, same size."""
        return F.conv2d(x, self.weight[0].to(x.dtype), padding=self.weight.shape[-1] // 2)


class DemodulatedConv2d(ModulatedConv2d):
    """A modulated convolution whose every output channel is brought back to unit variance."""

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x: [N, C_in, H, W], w: [N, w_dim] → [N, C_out, H, W]."""
        style = self.affine(w) * self.scale
        demodulation = torch.rsqrt(F.linear(style.square(), self.energy()) + 1e-8)
        return _scaled(self.convolve(_scaled(x, style)), demodulation)

    def energy(self) -> Tensor:
        """[C_out, C_in]: the squares of the weight, summed over the kernel."""
        return self.weight[0].contiguous().square().sum((2, 3))  # in one order, however an adapter's weight lies


class UpConv2d(DemodulatedConv2d):
    """A demodulated convolution that doubles the side: transposed convolution, then the filter."""

    def convolve(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] → [N, C_out, 2H, 2W]."""
        grown = F.conv_transpose2d(x, self.weight[0].to(x.dtype).transpose(0, 1), stride=2)
        return blur(grown, padding=1, gain=4.0)


class Noise(nn.Module):
    """Adds one channel of noise, times a learned strength, to every feature map.

    strength: [1]; const: [1, 1, side, side], the noise used when none is given.
    """

    const: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))
        self.register_buffer("const", torch.randn(1, 1, side, side))

    def forward(self, noise: Tensor | None) -> Tensor:
        """What to add: [N or 1, 1, side, side]."""
        return self.strength * (self.const if noise is None else noise)


class StyledConv(nn.Module):
    """One layer of the synthesis: convolution, noise, bias, leaky ReLU. bias: [C_out]."""

    def __init__(self, conv: ModulatedConv2d, side: int) -> None:
        super().__init__()
        self.conv = conv
        self.noise = Noise(side)
        self.bias = nn.Parameter(torch.zeros(conv.weight.shape[1]))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x: [N, C_in, H, W], w: [N, w_dim] → [N, C_out, H or 2H, …]."""
        grain, bias = (self.noise(noise) * GAIN).to(x.dtype), (self.bias * GAIN).to(x.dtype)
        return activate(torch.add(grain, self.conv(x, w), alpha=GAIN).add_(bias[:, None, None]))


class ToRGB(nn.Module):
    """Feature maps to RGB: a modulated 1×1 convolution without demodulation. bias: [1, 3, 1, 1]."""

    def __init__(self, c_in: int, w_dim: int) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(c_in, 3, 1, w_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x: [N, C_in, H, W], w: [N, w_dim] → [N, 3, H, W], in the bias's dtype."""
        colours: Tensor = self.conv(x, w) + self.bias
        return colours


class Conv2d(nn.Module):
    """The discriminator's convolution with bias and leaky ReLU. weight: [C_out, C_in, k, k], bias: [C_out]."""

    def __init__(self, c_in: int, c_out: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.scale = 1 / math.sqrt(c_in * kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] → [N, C_out, H, W]."""
        return self.convolve(x, padding=self.weight.shape[-1] // 2)

    def convolve(self, x: Tensor, *, padding: int = 0, stride: int = 1) -> Tensor:
        """The scaled convolution with bias and activation."""
        weight, bias = self.weight * (self.scale * GAIN), self.bias * GAIN
        return activate(F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), stride=stride, padding=padding))


class DownConv2d(Conv2d):
    """The same, halving the side: the filter first, then every second pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] → [N, C_out, H/2, W/2]."""
        return self.convolve(blur(x, padding=2), stride=2)


class DownSkip(nn.Module):
    """The residual block's shortcut: halved, then a 1×1 convolution without bias. weight: [C_out, C_in, 1, 1]."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] → [N, C_out, H/2, W/2]."""
        weight = self.weight / math.sqrt(self.weight.shape[1])
        return F.conv2d(blur(x, padding=1, stride=2), weight.to(x.dtype))


class MinibatchStdDev(nn.Module):
    """One more channel: how much the images of a group differ (Karras et al., 2018, section 3)."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C + 1, H, W]. Groups of four, or the largest number up to four that divides N."""
        n, c, height, width = x.shape
        size = max(number for number in range(1, 5) if n % number == 0)
        deviation = (x.reshape(size, -1, c, height, width).var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        return torch.cat([x, deviation.repeat(size)[:, None, None, None].expand(n, 1, height, width)], 1)


def _scaled(x: Tensor, factors: Tensor) -> Tensor:
    """x [N, C, H, W] with every channel of every sample multiplied by its factor [N, C]."""
    return x * factors.to(x.dtype)[:, :, None, None]


# The resampling filter is [1, 3, 3, 1] in both directions. It is symmetric, so convolution and correlation agree, and
# depthwise convolutions do all resampling in one pass.


@lru_cache(maxsize=64)
def _filter(channels: int, gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The 4×4 filter for each channel, [channels, 1, 4, 4], summing to `gain`. Cached: a copy makes a GPU wait."""
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
    """Leaky ReLU of slope 0.2 in place of `x`, which nothing else may use: its backward needs the result alone.

    Callers multiply what goes in by `GAIN` (a positive factor passes through).
    """
    return F.leaky_relu_(x, 0.2)


def normalize_latent(z: Tensor) -> Tensor:
    """[N, D] scaled to a mean square of one (pixel norm)."""
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


# Resizing and moving images by matrix products, for devices whose own kernels add gradients up in any order: on a GPU,
# the backward passes of PyTorch's padding, cropping and interpolation use atomic additions, so that two runs differ,
# and a resumed one with them. A matrix product always adds in the same order, and can be differentiated twice. The CPU
# keeps PyTorch's kernels, which are deterministic there.


def resized(images: Tensor, size: int, mode: Literal["bilinear", "bicubic"], *, antialias: bool) -> Tensor:
    """[N, C, H, W] → [N, C, size, size], as `torch.nn.functional.interpolate` without aligned corners."""
    if images.device.type == "cpu":
        return F.interpolate(images, size=(size, size), mode=mode, antialias=antialias, align_corners=False)
    return resized_by_products(images, size, mode, antialias=antialias)


def resized_by_products(images: Tensor, size: int, mode: Literal["bilinear", "bicubic"], *, antialias: bool) -> Tensor:
    """`resized` on any device: one product for the rows and one for the columns."""
    down, across = (
        _interpolation(side, size, mode, antialias, images.dtype, images.device) for side in images.shape[2:]
    )
    return down @ images @ across.T


def translated(images: Tensor, offsets: Sequence[tuple[int, int]]) -> Tensor:
    """[N, C, H, W] with image n moved down and right by `offsets[n]` pixels (negative: up and left); edges repeat."""
    down, across = (
        _selection(side, torch.tensor(moves), images)
        for side, moves in zip(images.shape[2:], zip(*offsets, strict=True), strict=True)
    )
    return down[:, None] @ images @ across[:, None].mT


@lru_cache(maxsize=32)
def _interpolation(
    side: int,
    size: int,
    mode: Literal["bilinear", "bicubic"],
    antialias: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """[size, side]: how much of each input goes into each output, told by resizing the unit matrix."""
    with torch.inference_mode(mode=False):  # what is made in that mode could not be used outside of it
        unit = torch.eye(side, dtype=torch.float64)[None, None]
        matrix = F.interpolate(unit, size=(size, side), mode=mode, antialias=antialias, align_corners=False)
        return matrix[0, 0].to(device, dtype)


def _selection(side: int, moves: Tensor, images: Tensor) -> Tensor:
    """[N, side, side] of ones and zeros: which input each output is."""
    places = (torch.arange(side) - moves[:, None]).clamp(0, side - 1)
    return F.one_hot(places, side).to(images.device, images.dtype)
