"""Delta-w: a latent offset for each layer (WeditGAN, Duan et al., AAAI 2024), carried over to StyleGAN2."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d


class LatentOffset(nn.Module):
    """b' = b + A Δw / √d_w, so that the style A w / √d_w + b becomes the style of w + Δw; Δw: [d_w], zero at first.

    A: [C_in, d_w] is the frozen weight of the style affine, and 1 / √d_w its equalized learning rate's scale.
    """

    affine: Tensor

    def __init__(self, affine: Linear) -> None:
        super().__init__()
        d_w = affine.weight.shape[1]
        self.delta = nn.Parameter(torch.zeros(d_w))
        self.scale = 1 / math.sqrt(d_w)  # the multiplier m of both terms in m A w / √d_w + m b cancels
        self.register_buffer("affine", affine.weight.detach().clone(), persistent=False)  # the base's, not the task's

    def forward(self, bias: Tensor) -> Tensor:
        """bias: [C_in], of the style affine."""
        return bias + (self.affine @ self.delta) * self.scale


class DeltaW(Adapter):
    """Moves the latent w of each layer by an offset, the same for all images.

    Every 3×3 convolution and every ToRGB has an offset of its own, as in WeditGAN's code. WeditGAN initializes the
    offsets at random; here they start at zero, which is the base. Its regularizers and its editing of intensities by
    further modules are left out (`--strength` scales a task).
    """

    lr = 0.02
    paper = "WeditGAN, Duan et al., 2024"
    formula = "w' = w + Δw"

    @dataclass(frozen=True)
    class Config:
        """Delta-w has no options."""

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        for name, layer in network.named_modules():
            if isinstance(layer, ModulatedConv2d):
                self.weights[f"{name}.affine.bias"] = LatentOffset(layer.affine)
