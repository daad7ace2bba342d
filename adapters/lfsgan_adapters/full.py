"""Full fine-tuning: the task holds its difference to the base, for every parameter (the classical baseline)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter


class Difference(nn.Module):
    """ŵ = w + δ, of the tensor's own shape."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(shape))

    def forward(self, frozen: Tensor) -> Tensor:
        """Any shape."""
        return frozen + self.delta


class FullFineTune(Adapter):
    """Learns every parameter of the generator anew; the largest task file, and the upper bound of what can change."""

    paper = "TransferGAN, Wang et al., 2018"
    formula = "W' = W + Δ"

    @dataclass(frozen=True)
    class Config:
        """Full fine-tuning has no options."""

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        for name, tensor in network.named_parameters():
            self.weights[name] = Difference(tensor.shape)
