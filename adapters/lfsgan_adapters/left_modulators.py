"""How LeFT changes one weight or bias: products and sums of thin factors (Seo et al., ICCV 2023)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHARPNESS = 4.0  # of the soft gate: at 1 its slope is 0.98, at -1 it still is 0.02


class Soft(nn.Module):
    """σ(x) = softplus(4x) / softplus(4): one at one, near ReLU elsewhere, and never without a gradient.

    A gate that ReLU has closed gets none, and stays closed for good.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return F.softplus(SHARPNESS * x) / math.log1p(math.exp(SHARPNESS))


class LinearModulator(nn.Module):
    """Ŵ = W ⊙ (o iᵀ) + p qᵀ with factors o, p: [d_out, R] and i, q: [d_in, R]."""

    def __init__(self, out: Tensor, inner: Tensor, add: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.mul_out, self.mul_in = nn.Parameter(out), nn.Parameter(inner)
        self.add_out = nn.Parameter(add[0]) if add else None
        self.add_in = nn.Parameter(add[1]) if add else None

    def forward(self, weight: Tensor) -> Tensor:
        """weight: [d_out, d_in], raw (before the equalized learning rate's scale)."""
        scaled = weight * (self.mul_out @ self.mul_in.T)
        return scaled if self.add_out is None or self.add_in is None else scaled + self.add_out @ self.add_in.T


class BiasModulator(nn.Module):
    """b̂ = b ⊙ m + a, with m, a: [d]."""

    def __init__(self, width: int, *, additive: bool) -> None:
        super().__init__()
        self.mul = nn.Parameter(torch.ones(width))
        self.add = nn.Parameter(torch.zeros(width)) if additive else None

    def forward(self, bias: Tensor) -> Tensor:
        """bias: [d]."""
        scaled = bias * self.mul
        return scaled if self.add is None else scaled + self.add


class ConvModulator(nn.Module):
    """Ŵ[o,i,p] = W[o,i,p] · Σₛ i[i,s] σ(Σᵣ o[o,r] t[s,r,p] + (a bᵀ)[o,p]) + (c dᵀ)[i,p] + Σᵣ e[o,r] f[i,r] g[p,r].

    Factors of the product: out [C_out, R], taps [R, R, k²], inner [C_in, R]; of the sums: a [C_out, R], b [k², R],
    c [C_in, R], d [k², R], and of the crossed one e [C_out, R], f [C_in, R], g [k², R]. σ is ReLU, `Soft`, or nothing.
    The crossed sum is ours: the published one, (c dᵀ), is the same for every output channel.
    """

    def __init__(
        self,
        product: tuple[Tensor, Tensor, Tensor],
        gate: tuple[Tensor, Tensor] | None,
        shift: tuple[Tensor, Tensor] | None,
        activation: nn.Module,
        crossed: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.out, self.taps, self.inner = map(nn.Parameter, product)
        self.gate_out = nn.Parameter(gate[0]) if gate else None
        self.gate_taps = nn.Parameter(gate[1]) if gate else None
        self.shift_in = nn.Parameter(shift[0]) if shift else None
        self.shift_taps = nn.Parameter(shift[1]) if shift else None
        self.add_out = nn.Parameter(crossed[0]) if crossed else None
        self.add_in = nn.Parameter(crossed[1]) if crossed else None
        self.add_taps = nn.Parameter(crossed[2]) if crossed else None
        self.activation = activation

    def forward(self, weight: Tensor) -> Tensor:
        """weight: […, C_out, C_in, k, k], raw (before scaling, style and demodulation)."""
        gates = torch.einsum("or,srp->sop", self.out, self.taps)
        if self.gate_out is not None and self.gate_taps is not None:
            gates = gates + self.gate_out @ self.gate_taps.T
        factor = torch.einsum("is,sop->oip", self.inner, self.activation(gates))
        modulated = weight.flatten(-2) * factor
        if self.shift_in is not None and self.shift_taps is not None:
            modulated = modulated + self.shift_in @ self.shift_taps.T
        if self.add_out is not None and self.add_in is not None and self.add_taps is not None:
            kernels = torch.einsum("ir,pr->rip", self.add_in, self.add_taps)
            modulated = modulated + torch.einsum("or,rip->oip", self.add_out, kernels)
        return modulated.view_as(weight)


class Shift(nn.Module):
    """v̂ = v + a, with a of v's shape, zero at the start."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.add = nn.Parameter(torch.zeros(shape))

    def forward(self, value: Tensor) -> Tensor:
        """Any shape."""
        return value + self.add


class Gain(nn.Module):
    """ŷ = y ⊙ (1 + g), with g: [C], zero at the start: what demodulation divides out of a weight again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(channels))

    def forward(self, _x: Tensor, y: Tensor) -> Tensor:
        """y: [N, C, H, W], the convolution's output."""
        return y + y * self.gain[:, None, None]
