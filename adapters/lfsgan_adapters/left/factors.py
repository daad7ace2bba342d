"""How LeFT changes one weight or bias: products and sums of thin factors, their initialization and learning rates.

Products and the published sums are those of Seo et al., ICCV 2023; the additive low-rank term per output channel, the
soft gate, the initialization `Live` and the rates are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfsgan_cli.networks.layers import Linear, ModulatedConv2d

SHARPNESS = 4.0  # of the soft gate: at 1 its slope is 0.98, at -1 it still is 0.02


class Soft(nn.Module):
    """σ(x) = softplus(4x) / softplus(4): 1 at 1, near ReLU elsewhere, with a gradient everywhere.

    A gate that ReLU has closed gets no gradient, and stays closed.
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
    c [C_in, R], d [k², R], and of the low-rank term per output channel e [C_out, R], f [C_in, R], g [k², R]. σ is ReLU,
    `Soft`, or the identity. The last term is ours: the published one, (c dᵀ), is the same for every output channel.
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

        The result's memory layout is [C_out, k², C_in], which convolutions read, and in which each term is one matrix
        product of [C_out k², R] with [R, C_in].
        """
        raw = weight.flatten(-2).transpose(-1, -2)
        ranks, _, taps = self.taps.shape
        gates = (self.out @ self.taps.permute(1, 2, 0).flatten(1)).view(-1, taps, ranks)
        if self.gate_out is not None and self.gate_taps is not None:
            gates = gates + (self.gate_out @ self.gate_taps.T)[:, :, None]
        rows = raw.flatten(0, -2) * (self.activation(gates).flatten(0, 1) @ self.inner.T)
        # What is added, each term as two factors: [C_out, k², R] and [C_in, R].
        if self.shift_in is not None and self.shift_taps is not None:
            shift = self.shift_taps.expand(len(self.out), -1, -1)
            rows = torch.addmm(rows, shift.flatten(0, 1), self.shift_in.T)
        if self.add_out is not None and self.add_in is not None and self.add_taps is not None:
            rows = torch.addmm(rows, (self.add_out[:, None] * self.add_taps).flatten(0, 1), self.add_in.T)
        modulated: Tensor = rows.view(raw.shape).transpose(-1, -2).view_as(weight)
        return modulated


class Paper:
    """The published initialization: equal constants, whose product is one, and zeros in both factors of every sum."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def linear(self, weight: Tensor, *, additive: bool) -> LinearModulator:
        """For a weight [d_out, d_in]."""
        ones = [torch.full((width, self.rank), self.rank**-0.5) for width in weight.shape]
        return LinearModulator(ones[0], ones[1], self._zeros(*weight.shape) if additive else None)

    def conv(self, weight: Tensor, activation: nn.Module, *, additive: bool) -> ConvModulator:
        """For a weight […, C_out, C_in, k, k]."""
        c_out, c_in, taps = weight.shape[-4], weight.shape[-3], weight.shape[-2] * weight.shape[-1]
        shapes = ((c_out, self.rank), (self.rank, self.rank, taps), (c_in, self.rank))
        out, gates, inner = (torch.full(shape, self.rank ** (-2 / 3)) for shape in shapes)
        gate, shift = (self._zeros(c_out, taps), self._zeros(c_in, taps)) if additive else (None, None)
        return ConvModulator((out, gates, inner), gate, shift, activation)

    def _zeros(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(rows, self.rank), torch.zeros(columns, self.rank)


class Live:
    """An initialization at the identity from which every factor learns.

    Rank one of every product is ones. Each further rank, and each sum, has one random factor and one of zeros (as in
    LoRA): it adds nothing yet, receives a gradient in the first step, and no two ranks are equal. The random factor of
    a sum has the scale of the frozen weight, so that both terms move it by comparable shares. Random factors are
    divided by the root of the rank, so that the variance of a sum over ranks is that of one. The low-rank term per
    output channel has two random factors; that of the outputs is zero.
    """

    def __init__(self, rank: int, *, crossed: bool) -> None:
        self.rank, self.crossed = rank, crossed

    def linear(self, weight: Tensor, *, additive: bool) -> LinearModulator:
        """For a weight [d_out, d_in]."""
        d_out, d_in = weight.shape
        product = self._ones_then_random(d_out), self._ones_then_zeros(d_in)
        return LinearModulator(*product, self._sum(d_out, d_in, scale_of(weight)) if additive else None)

    def conv(self, weight: Tensor, activation: nn.Module, *, additive: bool) -> ConvModulator:
        """For a weight […, C_out, C_in, k, k]."""
        c_out, c_in, count = weight.shape[-4], weight.shape[-3], weight.shape[-2] * weight.shape[-1]
        taps = self._random(self.rank, self.rank, count)
        taps[0] = self._ones_then_zeros(count).T
        product = self._ones_then_random(c_out), taps, self._ones_then_zeros(c_in)
        gate, shift = (
            (self._sum(c_out, count, 1.0), self._sum(c_in, count, scale_of(weight))) if additive else (None, None)
        )
        crossed = self._crossed(c_out, c_in, count, scale_of(weight)) if self.crossed else None
        return ConvModulator(product, gate, shift, activation, crossed)

    def _crossed(self, c_out: int, c_in: int, count: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
        inner, taps = scale * self._random(c_in, self.rank), torch.randn(count, self.rank)
        return torch.zeros(c_out, self.rank), inner, taps

    def _sum(self, rows: int, columns: int, scale: float) -> tuple[Tensor, Tensor]:
        return scale * self._random(rows, self.rank), torch.zeros(columns, self.rank)

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(shape) / math.sqrt(self.rank)

    def _ones_then_random(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), self._random(rows, self.rank - 1)], 1)

    def _ones_then_zeros(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), torch.zeros(rows, self.rank - 1)], 1)


ZERO_RATE = 2.0  # share of the learning rate for factors of sums that are initialized to zero
ONE_RATE = 8.0  # the same for random factors of scale one, and for the biases of linear layers


def rates(network: nn.Module) -> Iterator[tuple[str, float]]:
    """Names of LeFT's parameters on a network, where it has them, and their shares of the learning rate.

    Adam moves every number by about the learning rate a step, whatever its scale, and the mapping has weights a
    thousand times as large as ToRGB. At the adapter's default rate, 0.005, a sum's zero factors then move a weight by a
    hundredth of its own scale a step in every layer, and the random factors beside them, at rank 14, by about a
    twenty-fifth of theirs. One rate for all left the random factors of large weights nearly unchanged. In convolutions
    only the low-rank term per output channel has such rates: the published gates and shifts learn at the plain one.
    """
    for name, layer in network.named_modules():
        owner = f"weights.{name.replace('.', '/')}"
        match layer:
            case Linear():
                yield f"{owner}/weight.add_out", ZERO_RATE * scale_of(layer.weight)
                yield f"{owner}/weight.add_in", ZERO_RATE
                yield f"{owner}/bias.add", ONE_RATE
            case ModulatedConv2d():
                yield f"{owner}/weight.add_out", ZERO_RATE
                yield f"{owner}/weight.add_in", ZERO_RATE * scale_of(layer.weight)
                yield f"{owner}/weight.add_taps", ONE_RATE
            case _:
                pass


def scale_of(weight: Tensor) -> float:
    """The root mean square of a weight."""
    return float(weight.detach().float().square().mean().sqrt())
