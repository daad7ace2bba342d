"""KML: kernels modulated by rank-one products (AdAM, Zhao et al., NeurIPS 2022), carried over to StyleGAN2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from lfsgan_adapters.shift import Shift
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d

MOST_RANK = 1024  # a larger one adds nothing, and a file that claims it could take any amount of memory


class Modulation(nn.Module):
    """W' = W ∘ (1 + m vᵀ), with m: [d_out, R] initialized to zero and v: [d_in, R] at random with variance 1 / R.

    A convolution's weight is a matrix [C_out, C_in·k²]. AdAM initializes both factors to tiny random numbers; here the
    start is exactly the base.
    """

    def __init__(self, d_out: int, d_in: int, rank: int) -> None:
        super().__init__()
        self.out = nn.Parameter(torch.zeros(d_out, rank))
        self.inner = nn.Parameter(torch.randn(d_in, rank) / math.sqrt(rank))

    def forward(self, weight: Tensor) -> Tensor:
        """weight: [d_out, d_in] or [1, C_out, C_in, k, k], raw (before the equalized learning rate's scale)."""
        return weight * (1 + (self.out @ self.inner.T).view_as(weight))


class KML(Adapter):
    """Multiplies every weight by one plus a matrix of low rank.

    These are the weights of the mapping, the style affines, the 3×3 convolutions and ToRGB; the biases of the first two
    are shifted. AdAM first estimates the Fisher information of each kernel on the training images, modulates the
    important kernels and trains the others in full. An adapter is built from the network alone, without images or
    discriminator, so that this probing is left out: every kernel is modulated.
    """

    lr = 0.02
    paper = "AdAM, Zhao et al., 2022"
    formula = "W' = W ∘ (1 + m vᵀ)"

    @dataclass(frozen=True)
    class Config:
        """Options of KML."""

        rank: Annotated[int, "rank of every modulation; 1 in the paper"] = 1

        def __post_init__(self) -> None:
            """A rank is at least one."""
            if not 1 <= self.rank <= MOST_RANK:
                raise ValueError(f"rank is {self.rank}: expected 1 to {MOST_RANK}")

    def __init__(self, network: nn.Module, config: Config) -> None:
        super().__init__()
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    d_out, d_in = layer.weight.shape
                    self.weights[f"{name}.weight"] = Modulation(d_out, d_in, config.rank)
                    self.weights[f"{name}.bias"] = Shift(d_out)
                case ModulatedConv2d():
                    _, c_out, c_in, *kernel = layer.weight.shape
                    self.weights[f"{name}.weight"] = Modulation(c_out, c_in * math.prod(kernel), config.rank)
                case _:
                    pass  # noise, the other biases and the constant input stay the base's, as in AdAM's code
