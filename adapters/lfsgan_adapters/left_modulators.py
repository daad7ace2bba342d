"""How LeFT changes one weight or bias: products and sums of thin factors (Seo et al., ICCV 2023)."""

from __future__ import annotations

import math
from collections.abc import Iterator

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
        if self.add_out is None or self.add_in is None:
            return scaled
        return torch.addmm(scaled, self.add_out, self.add_in.T)


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
        """weight: [C_out, C_in, k, k], or [1, …], raw (before scaling, style and demodulation).

        The result lies in memory as [C_out, k², C_in]: so do convolutions read weights, and so each term is one matrix
        product, of [C_out k², R] with [R, C_in].
        """
        raw = weight.flatten(-2).transpose(-1, -2)
        rows = raw.flatten(0, -2) * (self._gates() @ self.inner.T)
        for outer, inner in self._sums():
            rows = torch.addmm(rows, outer.flatten(0, 1), inner.T)
        return rows.view(raw.shape).transpose(-1, -2).view_as(weight)

    def _gates(self) -> Tensor:
        """σ(…), [C_out k², R]."""
        ranks, _, taps = self.taps.shape
        gates = (self.out @ self.taps.permute(1, 2, 0).flatten(1)).view(-1, taps, ranks)
        if self.gate_out is not None and self.gate_taps is not None:
            gates = gates + (self.gate_out @ self.gate_taps.T)[:, :, None]
        gated: Tensor = self.activation(gates)
        return gated.flatten(0, 1)

    def _sums(self) -> Iterator[tuple[Tensor, Tensor]]:
        """What is added, each term as two factors: [C_out, k², R] and [C_in, R]."""
        if self.shift_in is not None and self.shift_taps is not None:
            yield self.shift_taps.expand(len(self.out), -1, -1), self.shift_in
        if self.add_out is not None and self.add_in is not None and self.add_taps is not None:
            yield self.add_out[:, None] * self.add_taps, self.add_in


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
