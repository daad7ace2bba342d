"""AdaFM: scales and shifts of normalized kernels (GAN Memory, Cong et al., NeurIPS 2020), carried over to StyleGAN2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lfsgan_adapters.shift import Shift
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d, StyledConv, ToRGB


class Renormalized(nn.Module):
    """W' = γ ∘ (W - μ) / σ + β, with γ = σ ∘ (1 + a), β = μ + |W| c, and a, c initialized to zero.

    μ and σ are the mean and the deviation of the frozen weight over some dimensions: of each k×k kernel of a
    convolution, of each row of a matrix. σ cancels, so that constant kernels need no exception. |W| is the root mean
    square of the whole weight: one learning rate moves large and small weights by the same share.
    """

    def __init__(self, shape: torch.Size, over: tuple[int, ...]) -> None:
        """over: the dimensions, counted from the end, that share one γ and one β."""
        super().__init__()
        self.over = over
        statistics = [1 if place - len(shape) in over else size for place, size in enumerate(shape)]
        self.gain = nn.Parameter(torch.zeros(statistics))
        self.shift = nn.Parameter(torch.zeros(statistics))

    def forward(self, weight: Tensor) -> Tensor:
        """weight: [d_out, d_in] or [1, C_out, C_in, k, k], raw (before the equalized learning rate's scale)."""
        size: Tensor = torch.linalg.vector_norm(weight) / math.sqrt(weight.numel())
        centered = weight - weight.mean(self.over, keepdim=True)
        return weight + self.gain * centered + size * self.shift


class AdaFM(Adapter):
    """Scales and shifts every kernel, every row of a matrix and every bias.

    Convolutions of 3×3 have a γ and a β for each pair of an output and an input channel. The mapping, the style affines
    and ToRGB have one of each for every output: a 1×1 kernel has no deviation. GAN Memory leaves its last convolution
    unchanged; here ToRGB learns too, as the colors of a domain depend on it.
    """

    lr = 0.005
    paper = "GAN Memory, Cong et al., 2020"
    formula = "W' = γ (W - μ) / σ + β"

    @dataclass(frozen=True)
    class Config:
        """AdaFM has no options."""

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    self.weights[f"{name}.weight"] = Renormalized(layer.weight.shape, (-1,))
                    self.weights[f"{name}.bias"] = Shift(*layer.bias.shape)
                case ModulatedConv2d():
                    over = (-2, -1) if layer.weight[0, 0, 0].numel() > 1 else (-3, -2, -1)
                    self.weights[f"{name}.weight"] = Renormalized(layer.weight.shape, over)
                case StyledConv() | ToRGB():
                    self.weights[f"{name}.bias"] = Shift(*layer.bias.shape)
                case _:
                    pass  # the noise and the constant input stay the base's: GAN Memory has neither
