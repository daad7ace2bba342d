"""SVD: weights with other singular values (FSGAN, Robb et al., 2020), carried over to StyleGAN2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d


class SingularValues(nn.Module):
    """W' = U diag(s ∘ (1 + d)) Vᵀ for the frozen weight W = U diag(s) Vᵀ, with d initialized to zero.

    A convolution's weight is a matrix [C_out, C_in·k²]. As Uᵀ W = diag(s) Vᵀ, W' = W + U diag(d) Uᵀ W: the singular
    vectors of the shorter side are enough. They are eigenvectors of W Wᵀ (or Wᵀ W), computed in double precision from
    the frozen weight, and not stored in the task. Their signs are arbitrary and cancel in the product. Only where two
    singular values are equal up to rounding may another machine find other vectors.
    """

    vectors: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = _matrix(weight.detach()).to("meta" if weight.is_meta else "cpu").double()
        self.rows = matrix.shape[0] <= matrix.shape[1]
        gram = matrix @ matrix.T if self.rows else matrix.T @ matrix
        vectors = torch.linalg.eigh(gram).eigenvectors.flip(1)  # d begins with the largest singular value
        self.register_buffer("vectors", vectors.to(weight), persistent=False)
        self.change = nn.Parameter(torch.zeros(len(gram)))

    def forward(self, weight: Tensor) -> Tensor:
        """weight: [d_out, d_in] or [1, C_out, C_in, k, k], raw (before the equalized learning rate's scale)."""
        matrix = _matrix(weight)
        if self.rows:
            moved = (self.vectors * self.change) @ (self.vectors.T @ matrix)
        else:
            moved = (matrix @ self.vectors * self.change) @ self.vectors.T
        return weight + moved.view_as(weight)


class SVD(Adapter):
    """Changes the singular values of every weight and keeps the singular vectors.

    These are the weights of the mapping, the style affines, the 3×3 convolutions and ToRGB. Biases stay the base's.
    Finding the vectors takes 2.4 s on one core for StyleGAN2 config-f at 256×256, whenever a task is opened.
    """

    lr = 0.02
    paper = "FSGAN, Robb et al., 2020"
    formula = "W' = U diag(s ∘ (1 + d)) Vᵀ"

    @dataclass(frozen=True)
    class Config:
        """SVD has no options."""

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        for name, layer in network.named_modules():
            if isinstance(layer, Linear | ModulatedConv2d):
                self.weights[f"{name}.weight"] = SingularValues(layer.weight)


def _matrix(weight: Tensor) -> Tensor:
    """[d_out, d_in], or [C_out, C_in·k²] of a convolution's [1, C_out, C_in, k, k]."""
    return weight if weight.ndim == 2 else weight[0].flatten(1)
