"""The exponential moving average of a module's parameters: what is sampled from and stored."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class EMA(Generic[M]):
    """A copy of a module whose parameters follow the original's; its buffers are the original's.

    half_life: in images, or in steps, as `follow` counts; early on it is at most the share `ramp` of those seen.
    """

    def __init__(self, module: M, half_life: float, ramp: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self.half_life = half_life
        self.ramp = ramp

    @torch.no_grad()
    def follow(self, module: M, batch: int, seen: int) -> None:
        """Take in the module's state, `batch` images (or steps) after the last one, `seen` of them in all."""
        half_life = max(min(self.half_life, self.ramp * seen), 1e-8)
        ours: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - 0.5 ** (batch / half_life))
        for buffer, current in zip(self.module.buffers(), module.buffers(), strict=True):
            buffer.copy_(current)
