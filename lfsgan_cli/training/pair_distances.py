"""Mean absolute differences of chosen pairs, with a backward of their own that keeps nothing but the samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

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
