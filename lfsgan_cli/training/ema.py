"""Averages of parameters, fading or even: what is drawn and stored, while the live ones learn."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class EMA(Generic[M]):
    """A copy of a module whose parameters follow the original's; its buffers are the original's.

    half_life: in pictures, or in steps, as `follow` counts; `ramp` shortens it early on to that share of those seen.
    """

    def __init__(self, module: M, half_life: float, ramp: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self.half_life = half_life
        self.ramp = ramp

    def follow(self, module: M, batch: int, seen: int) -> None:
        """`batch` pictures further, or steps, `seen` in all."""
        half_life = max(min(self.half_life, self.ramp * seen), 1e-8)
        self._approach(module, 1 - 0.5 ** (batch / half_life))

    def include(self, module: M, nth: int) -> None:
        """Become the even mean of this state and the `nth` - 1 that were included before it; the first replaces all."""
        self._approach(module, 1 / nth)

    @torch.no_grad()
    def _approach(self, module: M, share: float) -> None:
        ours: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        torch._foreach_lerp_(ours, theirs, share)
        for buffer, current in zip(self.module.buffers(), module.buffers(), strict=True):
            buffer.copy_(current)
