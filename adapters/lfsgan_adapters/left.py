"""LeFT: learnable factorized tensors that rescale and shift a frozen network's weights (Seo et al., ICCV 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from lfsgan_adapters.left_names import published_names
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.layers import DemodulatedConv2d, Linear, ModulatedConv2d

CANCELLED = "demodulation divides a scale of an output channel out again"
DEAD = "both factors of the product start at zero, and so do both gradients (init=paper)"


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
    """Ŵ[o,i,p] = W[o,i,p] · Σₛ i[i,s] σ(Σᵣ o[o,r] t[s,r,p] + (a bᵀ)[o,p]) + (c dᵀ)[i,p].

    Factors of the product: out [C_out, R], taps [R, R, k²], inner [C_in, R]; of the sums: a [C_out, R], b [k², R],
    c [C_in, R], d [k², R]. σ is ReLU or nothing.
    """

    def __init__(
        self,
        product: tuple[Tensor, Tensor, Tensor],
        gate: tuple[Tensor, Tensor] | None,
        shift: tuple[Tensor, Tensor] | None,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.out, self.taps, self.inner = map(nn.Parameter, product)
        self.gate_out = nn.Parameter(gate[0]) if gate else None
        self.gate_taps = nn.Parameter(gate[1]) if gate else None
        self.shift_in = nn.Parameter(shift[0]) if shift else None
        self.shift_taps = nn.Parameter(shift[1]) if shift else None
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
        return modulated.view_as(weight)


class LeFT(Adapter):
    """Rescales and shifts weights by tensors of low rank: mapping, style affines, 3×3 convolutions and ToRGB."""

    lr = 0.005  # with the few minutes' training that is the default

    @dataclass(frozen=True)
    class Config:
        """Options of LeFT."""

        rank: Annotated[int, "rank of every factorized tensor"] = 16
        activation: Annotated[bool, "ReLU on the gates of convolutions"] = True
        additive: Annotated[bool, "shift weights and biases, not only rescale them"] = True
        init: Annotated[
            Literal["live", "paper"], "live: every factor learns; paper: all equal, as in the published code"
        ] = "live"

        def __post_init__(self) -> None:
            """A rank is at least one."""
            if self.rank < 1:
                raise ValueError(f"rank is {self.rank}: expected at least 1")

    def __init__(self, network: nn.Module, config: Config) -> None:
        super().__init__()
        start: Live | Paper = Live(config.rank) if config.init == "live" else Paper(config.rank)
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    self.weights[f"{name}.weight"] = start.linear(layer.weight, additive=config.additive)
                    self.weights[f"{name}.bias"] = BiasModulator(len(layer.bias), additive=config.additive)
                case ModulatedConv2d():
                    activation = nn.ReLU() if config.activation else nn.Identity()
                    self.weights[f"{name}.weight"] = start.conv(layer.weight, activation, additive=config.additive)
                case _:
                    pass  # noise, biases and the start stay the base's, as in the public code
        self.nulls = dict(self._null_tensors(network, config))

    @classmethod
    def published_names(cls, network: NetworkConfig) -> dict[str, str]:
        """See `left_names`: the tensors of the public code are laid out alike."""
        return published_names(network)

    def _null_tensors(self, network: nn.Module, config: Config) -> list[tuple[str, str]]:
        paper = config.init == "paper"
        demodulated = [name for name, layer in network.named_modules() if isinstance(layer, DemodulatedConv2d)]
        shelf = [f"weights.{name.replace('.', '/')}/weight.out" for name in demodulated]
        nulls = [(name, CANCELLED) for name in shelf if config.rank == 1 or paper]
        sums = (".add_out", ".add_in", ".gate_out", ".gate_taps", ".shift_in", ".shift_taps")
        return nulls + [(name, DEAD) for name, _ in self.named_parameters() if paper and name.endswith(sums)]


class Paper:
    """The published start: equal constants, whose product is one, and zeros in both factors of every sum."""

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
    """A start at the identity from which everything learns.

    Rank one of every product is ones. Each further rank, and each sum, has one factor at random and one at zero (as in
    LoRA), so that it adds nothing yet, receives a gradient at once, and no two ranks are alike. The random factor of a
    sum has the size of the frozen weight, so that both terms move it by comparable shares; random factors are divided
    by the rank, so that a learning rate means the same for every rank.
    """

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def linear(self, weight: Tensor, *, additive: bool) -> LinearModulator:
        """For a weight [d_out, d_in]."""
        d_out, d_in = weight.shape
        product = self._ones_then_random(d_out), self._ones_then_zeros(d_in)
        return LinearModulator(*product, self._sum(d_out, d_in, _size(weight)) if additive else None)

    def conv(self, weight: Tensor, activation: nn.Module, *, additive: bool) -> ConvModulator:
        """For a weight […, C_out, C_in, k, k]."""
        c_out, c_in, count = weight.shape[-4], weight.shape[-3], weight.shape[-2] * weight.shape[-1]
        taps = torch.randn(self.rank, self.rank, count) / self.rank
        taps[0] = self._ones_then_zeros(count).T
        product = self._ones_then_random(c_out), taps, self._ones_then_zeros(c_in)
        gate, shift = (
            (self._sum(c_out, count, 1.0), self._sum(c_in, count, _size(weight))) if additive else (None, None)
        )
        return ConvModulator(product, gate, shift, activation)

    def _sum(self, rows: int, columns: int, size: float) -> tuple[Tensor, Tensor]:
        return torch.randn(rows, self.rank) * (size / self.rank), torch.zeros(columns, self.rank)

    def _ones_then_random(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), torch.randn(rows, self.rank - 1) / self.rank], 1)

    def _ones_then_zeros(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), torch.zeros(rows, self.rank - 1)], 1)


def _size(weight: Tensor) -> float:
    return float(weight.detach().float().square().mean().sqrt())
