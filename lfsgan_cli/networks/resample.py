"""Resizing and moving images by matrix products, for devices whose own kernels add gradients up in any order.

On a GPU the backward passes of PyTorch's padding, cropping and interpolation use atomic additions: two runs differ, and
a resumed one with them. A matrix product always adds in the same order, and can be differentiated as often as one
likes. The CPU keeps PyTorch's kernels, which are deterministic there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


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
