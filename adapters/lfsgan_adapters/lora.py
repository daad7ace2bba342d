"""LoRA: weights shifted by products of two thin matrices (Hu et al., ICLR 2022), carried over to StyleGAN2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from lfsgan_adapters.shift import Shift
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d

MOST_RANK = 1024  # a larger one adds nothing, and a file that claims it could take any amount of memory


class Update(nn.Module):
    """Ŵ = W + (alpha / R) · |W| · B A, with A: [R, d_in] initialized at random, B: [d_out, R] zero, and |W| W's scale.

    A convolution's weight is a matrix [C_out, C_in·k²]. |W| is the root mean square of the frozen weight: raw weights
    are about 1 in convolutions, about 100 in the mapping and below 0.1 in ToRGB, and one learning rate should move all
    of them by the same share.
    """

    def __init__(self, d_out: int, d_in: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, d_in))
        self.up = nn.Parameter(torch.zeros(d_out, rank))
        self.scale = alpha / rank  # so that a learning rate means the same for every rank

    def forward(self, weight: Tensor) -> Tensor:
        """weight: [d_out, d_in] or [1, C_out, C_in, k, k], raw (before the equalized learning rate's scale)."""
        size: Tensor = torch.linalg.vector_norm(weight) / math.sqrt(weight.numel())
        return weight + ((self.scale * size * self.up) @ self.down).view_as(weight)


class LoRA(Adapter):
    """Adds products of two thin matrices to weights: those that LeFT changes, or the mapping and style affines only.

    The biases of the mapping and the affines are always learned, as in CoLoR-GAN: a product of rank one depends on its
    input, and cannot shift the style of all images equally.
    """

    lr = 0.02  # at an eighth of it FID is worse (docs/quality.md)
    paper = "LoRA, Hu et al., 2022"
    formula = "W' = W + (alpha / R) |W| B A"

    @dataclass(frozen=True)
    class Config:
        """Options of LoRA."""

        rank: Annotated[int, "rank of every update"] = 16  # on the embedded base LeFT's default is 6 % larger
        layers: Annotated[
            Literal["all", "style"], "all: mapping, style affines, convolutions, ToRGB; style: the first two"
        ] = "all"
        alpha: Annotated[float, "how far an update reaches: it is scaled by alpha / rank"] = 1.0

        def __post_init__(self) -> None:
            """A rank is at least one; an update that is scaled by nothing learns nothing."""
            if not 1 <= self.rank <= MOST_RANK:
                raise ValueError(f"rank is {self.rank}: expected 1 to {MOST_RANK}")
            if not 0 < self.alpha < math.inf:
                raise ValueError(f"alpha is {self.alpha}: expected a finite number above 0")

    def __init__(self, network: nn.Module, config: Config) -> None:
        super().__init__()
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    d_out, d_in = layer.weight.shape
                    self.weights[f"{name}.weight"] = Update(d_out, d_in, config.rank, config.alpha)
                    self.weights[f"{name}.bias"] = Shift(len(layer.bias), name="delta")
                case ModulatedConv2d() if config.layers == "all":
                    _, c_out, c_in, *kernel = layer.weight.shape
                    d_in = c_in * math.prod(kernel)
                    self.weights[f"{name}.weight"] = Update(c_out, d_in, config.rank, config.alpha)
                case _:
                    pass  # noise, the other biases and the start stay the base's, as with LeFT
