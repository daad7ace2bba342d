"""The adapter LeFT: its options, which layers it changes, and the rank that a task file can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from torch import nn

from lfsgan_adapters.left.factors import BiasModulator, Live, Paper, Soft, rates
from lfsgan_adapters.left.reference_names import published_names
from lfsgan_adapters.shift import Shift
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.layers import DemodulatedConv2d, Linear, ModulatedConv2d, Noise, StyledConv, ToRGB

MOST_RANK = 1024  # a larger one adds nothing, and a file that claims it could take any amount of memory
AFFORDABLE = 237_000  # numbers of 16 bits: half a megabyte, less the file's header and its w_avg
CANCELLED = "a scale of an output channel, which demodulation divides out again"
DEAD = "both factors of the product start at zero, and so do both gradients (init=paper)"
# Endings of the names of factors whose products are added.
PRODUCTS = (".add_out", ".add_in", ".add_taps", ".gate_out", ".gate_taps", ".shift_in", ".shift_taps")


class LeFT(Adapter):
    """Rescales and shifts weights by tensors of low rank: mapping, style affines, 3×3 convolutions and ToRGB."""

    lr = 0.005  # at half of it lines are less clear and diversity is lower (docs/quality.md)
    stored = "fp16"
    paper = "LFS-GAN, Seo et al., 2023"
    formula = "W' = W ∘ Σ I gate(O T + B) + C, of low rank"

    @dataclass(frozen=True)
    class Config:
        """Options of LeFT."""

        rank: Annotated[int | None, "rank of every tensor; none: the most that half a megabyte holds, up to 16"] = None
        activation: Annotated[bool, "per-tap gates of the kernel, which keep its factors from turning negative"] = True
        gates: Annotated[
            Literal["soft", "hard"], "hard: ReLU, as in the public code and always with init=paper; soft: softplus"
        ] = "soft"
        additive: Annotated[bool, "shift weights and biases as well as rescaling them"] = True
        biases: Annotated[bool, "also shift the biases of feature maps and colors, and the noise strengths"] = True
        crossed: Annotated[
            bool, "additive low-rank terms per output channel of convolutions; never with init=paper"
        ] = True
        init: Annotated[
            Literal["live", "paper"], "live: every factor learns; paper: all factors equal, as in the public code"
        ] = "live"

        def __post_init__(self) -> None:
            """Check the rank; `init=paper` decides two options, so that files and plans say what is learned.

            It is the identity only with ReLU gates, and has no low-rank terms per output channel. Without additive
            terms there are none either.
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
        gate: type[nn.Module] = nn.ReLU if config.gates == "hard" else Soft
        gate = gate if config.activation else nn.Identity
        for name, layer in network.named_modules():
            match layer:
                case Linear():
                    self.weights[f"{name}.weight"] = start.linear(layer.weight, additive=config.additive)
                    self.weights[f"{name}.bias"] = BiasModulator(len(layer.bias), additive=config.additive)
                case ModulatedConv2d():
                    self.weights[f"{name}.weight"] = start.conv(layer.weight, gate(), additive=config.additive)
                case Noise() if config.biases:
                    self.weights[f"{name}.strength"] = Shift(*layer.strength.shape)
                case StyledConv() | ToRGB() if config.biases:
                    self.weights[f"{name}.bias"] = Shift(*layer.bias.shape)
                case _:
                    pass  # the constant input of the synthesis stays the base's, as in the public code
        self.nulls = dict(self._null_tensors(network, config, rank))
        if config.init == "live":
            ours = dict(self.named_parameters())
            self.rates = {name: share for name, share in rates(network) if name in ours}

    @classmethod
    def settled(cls, config: Config, network: NetworkConfig) -> Config:
        """With the rank that the network's size permits."""
        with torch.device("meta"):
            return replace(config, rank=config.rank or affordable_rank(build_generator(network), config))

    @classmethod
    def published_names(cls, network: NetworkConfig, config: Config) -> dict[str, str]:
        """See `reference_names`; empty for options that the public code does not have."""
        known = config.gates == "hard" and not config.crossed
        return published_names(network) if known else {}

    def _null_tensors(self, network: nn.Module, config: Config, rank: int) -> list[tuple[str, str]]:
        paper = config.init == "paper"
        alone = rank == 1 and not config.additive and (config.gates == "hard" or not config.activation)
        demodulated = [name for name, layer in network.named_modules() if isinstance(layer, DemodulatedConv2d)]
        cancelled = [f"weights.{name.replace('.', '/')}/weight.out" for name in demodulated if paper or alone]
        dead = [name for name, _ in self.named_parameters() if paper and name.endswith(PRODUCTS)]
        return [*((name, CANCELLED) for name in cancelled), *((name, DEAD) for name in dead)]


def affordable_rank(network: nn.Module, config: LeFT.Config) -> int:
    """The largest rank, up to 16, with which a task has at most `AFFORDABLE` numbers; 1 in any case."""
    sums = config.additive + config.crossed

    def numbers(rank: int) -> int:
        """In all factors; biases, a few thousand, are not counted."""
        total = 0
        for layer in network.modules():
            if isinstance(layer, Linear):
                total += rank * sum(layer.weight.shape) * min(1 + sums, 2)
            elif isinstance(layer, ModulatedConv2d):
                _, c_out, c_in, height, width = layer.weight.shape
                ends, taps = c_out + c_in, height * width
                product, additive, crossed = ends + rank * taps, ends + 2 * taps, ends + taps
                total += sum([rank * product, rank * additive, rank * crossed][: 1 + sums])
        return total

    return next((rank for rank in range(16, 1, -1) if numbers(rank) <= AFFORDABLE), 1)
