"""BitFit: a task is a shift of every bias (Zaken et al., ACL 2022, carried over to StyleGAN2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter


class Shift(nn.Module):
    """b̂ = b + s·δ, where δ starts at zero."""

    def __init__(self, shape: torch.Size, scale: float) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(shape))
        self.scale = scale

    def forward(self, frozen: Tensor) -> Tensor:
        """The task's bias, of the frozen one's shape."""
        return frozen + self.scale * self.delta


class BitFit(Adapter):
    """Shifts every bias and nothing else: the simplest of baselines, with a task file of some kilobytes."""

    paper = "BitFit, Zaken et al., 2022"
    formula = "b' = b + s δ"

    @dataclass(frozen=True)
    class Config:
        """scale: how far a bias moves when its δ moves by one."""

        scale: Annotated[float, "How far a bias moves for a step of one: above 1 learns faster."] = 1.0

        def __post_init__(self) -> None:
            """Refuse a scale under which nothing could learn."""
            if not self.scale > 0:
                raise ValueError(f"scale is {self.scale}: expected a number above 0")

    def __init__(self, network: nn.Module, config: Config) -> None:
        super().__init__()
        for name, tensor in network.named_parameters():
            if name.endswith("bias"):
                self.weights[name] = Shift(tensor.shape, config.scale)
