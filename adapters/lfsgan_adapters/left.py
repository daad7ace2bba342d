"""LeFT: learnable factorized tensors that rescale and shift a frozen network's weights (Seo et al., ICCV 2023)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lfsgan_adapters.left_modulators import BiasModulator, ConvModulator, Gain, LinearModulator, Shift, Soft
from lfsgan_adapters.left_names import published_names
from lfsgan_adapters.left_rates import rates, size_of
from lfsgan_adapters.ranks import MOST_RANK
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.layers import DemodulatedConv2d, Linear, ModulatedConv2d, Noise, StyledConv, ToRGB

AFFORDABLE = 237_000  # numbers, 16 bits each: half a megabyte, less the file's header and its mean w
CANCELLED = "a scale of an output channel, which demodulation divides out again"
DEAD = "both factors of the product start at zero, and so do both gradients (init=paper)"
# How names of parameters end whose products are added.
PRODUCTS = (".add_out", ".add_in", ".add_taps", ".gate_out", ".gate_taps", ".shift_in", ".shift_taps")


class LeFT(Adapter):
    """Rescales and shifts weights by tensors of low rank: mapping, style affines, 3×3 convolutions and ToRGB."""

    lr = 0.005  # at half of it lines are drawn less well, and variety is lower (docs/quality.md)
    earlier: ClassVar[Mapping[str, Any]] = {"gates": "hard", "biases": False, "crossed": False, "gains": False}
    stored = "fp16"

    @dataclass(frozen=True)
    class Config:
        """Options of LeFT."""

        rank: Annotated[int | None, "rank of every tensor; none: what half a megabyte holds, 16 at most"] = None
        activation: Annotated[bool, "gates on the taps of convolutions, so that none turns negative"] = True
        gates: Annotated[Literal["soft", "hard"], "hard: ReLU, which init=paper always has; soft: never shut"] = "soft"
        additive: Annotated[bool, "shift weights and biases, not only rescale them"] = True
        biases: Annotated[bool, "shift the biases of features and colours as well, and the strength of noise"] = True
        crossed: Annotated[
            bool, "sums in convolutions that differ between output channels, too; never with init=paper"
        ] = True
        gains: Annotated[bool, "a gain of every channel after demodulation; such a task cannot be merged"] = False
        init: Annotated[
            Literal["live", "paper"], "live: every factor learns; paper: all equal, as in the published code"
        ] = "live"

        def __post_init__(self) -> None:
            """A rank is at least one, and no larger than the widest layer; the published start settles two options.

            It is the identity only with a gate that scales as its input does, as ReLU, and crossed sums have no place
            in it; nor have they without sums at all. Files and plans say what is learned.
            """
            if self.rank is not None and not 1 <= self.rank <= MOST_RANK:
                raise ValueError(f"rank is {self.rank}: expected 1 to {MOST_RANK}, or none")
            paper = self.init == "paper"
            object.__setattr__(self, "gates", "hard" if paper else self.gates)
            object.__setattr__(self, "crossed", self.crossed and self.additive and not paper)

    def __init__(self, network: nn.Module, config: Config) -> None:
        super().__init__()
        rank = config.rank or affordable_rank(network, config)
        start: Live | Paper = Live(rank, crossed=config.crossed) if config.init == "live" else Paper(rank)
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    self.weights[f"{name}.weight"] = start.linear(layer.weight, additive=config.additive)
                    self.weights[f"{name}.bias"] = BiasModulator(len(layer.bias), additive=config.additive)
                case ModulatedConv2d():
                    self.weights[f"{name}.weight"] = start.conv(layer.weight, _gate(config), additive=config.additive)
                case Noise() if config.biases:
                    self.weights[f"{name}.strength"] = Shift(layer.strength.shape)
                case StyledConv() | ToRGB() if config.biases:
                    self.weights[f"{name}.bias"] = Shift(layer.bias.shape)
                case _:
                    pass  # the start of the synthesis stays the base's, as in the public code
        if config.gains:
            self._add_gains(network)
        self.nulls = dict(self._null_tensors(network, config, rank))
        if config.init == "live":
            ours = dict(self.named_parameters())
            self.rates = {name: share for name, share in rates(network) if name in ours}

    @classmethod
    def settled(cls, config: Config, network: NetworkConfig) -> Config:
        """With the rank that the network's size allows."""
        with torch.device("meta"):
            return replace(config, rank=config.rank or affordable_rank(build_generator(network), config))

    @classmethod
    def published_names(cls, network: NetworkConfig, config: Config) -> dict[str, str]:
        """See `left_names`: the tensors of the public code are laid out alike; not all that is ours it knows."""
        known = config.gates == "hard" and not config.crossed and not config.gains
        return published_names(network) if known else {}

    def _add_gains(self, network: nn.Module) -> None:
        for name, layer in _demodulated(network):
            self.features[name] = Gain(layer.weight.shape[1])

    def _null_tensors(self, network: nn.Module, config: Config, rank: int) -> list[tuple[str, str]]:
        paper = config.init == "paper"
        alone = rank == 1 and not config.additive and (config.gates == "hard" or not config.activation)
        shelf = [f"weights.{name.replace('.', '/')}/weight.out" for name, _ in _demodulated(network)]
        nulls = [(name, CANCELLED) for name in shelf if paper or alone]
        return nulls + [(name, DEAD) for name, _ in self.named_parameters() if paper and name.endswith(PRODUCTS)]


def _demodulated(network: nn.Module) -> list[tuple[str, DemodulatedConv2d]]:
    return [(name, layer) for name, layer in network.named_modules() if isinstance(layer, DemodulatedConv2d)]


def affordable_rank(network: nn.Module, config: LeFT.Config) -> int:
    """The largest rank, up to 16, with which a task has at most `AFFORDABLE` numbers; 1 in any case."""
    sums = config.additive + config.crossed
    return next((rank for rank in range(16, 1, -1) if _numbers(network, rank, sums) <= AFFORDABLE), 1)


def _numbers(network: nn.Module, rank: int, sums: int) -> int:
    """How many numbers the factors have in all, beside 0 to 2 sums; biases, a few thousand, are left out."""
    total = 0
    for layer in network.modules():
        if isinstance(layer, Linear):
            total += rank * sum(layer.weight.shape) * min(1 + sums, 2)
        elif isinstance(layer, ModulatedConv2d):
            _, c_out, c_in, height, width = layer.weight.shape
            ends, taps = c_out + c_in, height * width
            scale, additive, crossed = ends + rank * taps, ends + 2 * taps, ends + taps
            total += sum([rank * scale, rank * additive, rank * crossed][: 1 + sums])
    return total


def _gate(config: LeFT.Config) -> nn.Module:
    if not config.activation:
        return nn.Identity()
    return nn.ReLU() if config.gates == "hard" else Soft()


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
    by the root of the rank, so that a sum over ranks varies as much for every rank. The crossed sum of a convolution
    has two random factors, and that of the outputs at zero.
    """

    def __init__(self, rank: int, *, crossed: bool) -> None:
        self.rank, self.crossed = rank, crossed

    def linear(self, weight: Tensor, *, additive: bool) -> LinearModulator:
        """For a weight [d_out, d_in]."""
        d_out, d_in = weight.shape
        product = self._ones_then_random(d_out), self._ones_then_zeros(d_in)
        return LinearModulator(*product, self._sum(d_out, d_in, size_of(weight)) if additive else None)

    def conv(self, weight: Tensor, activation: nn.Module, *, additive: bool) -> ConvModulator:
        """For a weight […, C_out, C_in, k, k]."""
        c_out, c_in, count = weight.shape[-4], weight.shape[-3], weight.shape[-2] * weight.shape[-1]
        taps = self._random(self.rank, self.rank, count)
        taps[0] = self._ones_then_zeros(count).T
        product = self._ones_then_random(c_out), taps, self._ones_then_zeros(c_in)
        gate, shift = (
            (self._sum(c_out, count, 1.0), self._sum(c_in, count, size_of(weight))) if additive else (None, None)
        )
        crossed = self._crossed(c_out, c_in, count, size_of(weight)) if self.crossed else None
        return ConvModulator(product, gate, shift, activation, crossed)

    def _crossed(self, c_out: int, c_in: int, count: int, size: float) -> tuple[Tensor, Tensor, Tensor]:
        inner, taps = size * self._random(c_in, self.rank), torch.randn(count, self.rank)
        return torch.zeros(c_out, self.rank), inner, taps

    def _sum(self, rows: int, columns: int, size: float) -> tuple[Tensor, Tensor]:
        return size * self._random(rows, self.rank), torch.zeros(columns, self.rank)

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(shape) / math.sqrt(self.rank)

    def _ones_then_random(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), self._random(rows, self.rank - 1)], 1)

    def _ones_then_zeros(self, rows: int) -> Tensor:
        return torch.cat([torch.ones(rows, 1), torch.zeros(rows, self.rank - 1)], 1)
