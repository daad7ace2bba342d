"""The reference setting of the losses, rebuilt in float64: a base, an adapter and a discriminator with patch heads."""

from dataclasses import dataclass

import pytest
import torch
from lfsgan_adapters.left import LeFT
from lfsgan_adapters.left.reference_names import left_names
from torch import Tensor, nn

from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.layers import Conv2d
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names, rename

TOLERANCE = (
    1e-12  # of the largest entry: what the reference itself states for another order of its sums; 1e-14 was seen
)


@dataclass(frozen=True)
class Reference:
    """Everything that one result of the reference depends on, fresh for every test."""

    numbers: dict[str, Tensor]
    config: NetworkConfig
    adapter: LeFT
    generator: Generator  # adapted
    discriminator: Discriminator

    def draw(self, z: Tensor, features: list[Tensor] | None = None) -> Tensor:
        """With the constant noise, one w for all layers."""
        image: Tensor = self.generator.synthesis(self.generator.spread(self.generator.mapping(z)), None, features)
        return image

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The numbers below a prefix."""
        return {name.removeprefix(prefix): t for name, t in self.numbers.items() if name.startswith(prefix)}

    def patch_head(self, name: str) -> Conv2d:
        """Head 0 of `extra` or `extra32`."""
        weight, bias = (self.numbers[f"{name}.new_conv.0.{tensor}"] for tensor in ("0.weight", "1.bias"))
        head = Conv2d(weight.shape[1], 1, 3).double()
        head.load_state_dict({"weight": weight, "bias": bias})
        return head

    def left_gradient(self) -> Tensor:
        """The adapter's gradient as one vector, tensors in the order of their published names."""
        table = left_names(self.part("left."))
        return torch.cat([gradient(self.adapter.get_parameter(table[name])).flatten() for name in sorted(table)])

    def discriminator_gradient(self, name: str) -> Tensor:
        """One gradient, by its name at rosinality."""
        return gradient(self.discriminator.get_parameter(discriminator_names([name])[name]))

    def discriminator_norms(self) -> Tensor:
        """Norms of all gradients, in the order of their published names."""
        names = sorted(discriminator_names(self.part("net.d.")))
        return torch.stack([self.discriminator_gradient(name).norm() for name in names])


def gradient(parameter: Tensor) -> Tensor:
    """Zeros where the loss does not reach, as the reference counts them."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def fill(module: nn.Module, state: dict[str, Tensor], names: dict[str, str], rest: dict[str, Tensor]) -> None:
    module.load_state_dict(rename(state, names) | rest)


@pytest.fixture
def reference(reference_losses: dict[str, Tensor]) -> Reference:
    parts = {
        prefix: {name.removeprefix(prefix): t for name, t in reference_losses.items() if name.startswith(prefix)}
        for prefix in ("net.g.", "net.d.", "left.")
    }
    config = config_of(parts["net.g."])
    base, discriminator = build_generator(config).double(), Discriminator(config).double()
    fill(base, parts["net.g."], generator_names(parts["net.g."]), {"w_mean": base.w_mean})
    fill(discriminator, parts["net.d."], discriminator_names(parts["net.d."]), {})
    base.requires_grad_(requires_grad=False)
    adapter = LeFT(
        base, LeFT.Config(rank=1, activation=True, gates="hard", additive=True, biases=False, crossed=False)
    ).double()
    fill(adapter, parts["left."], left_names(parts["left."]), {})
    return Reference(reference_losses, config, adapter, adapt(base, adapter), discriminator)


@pytest.fixture
def close() -> object:
    """Compares entries against the largest one: the small entries of a gradient carry the rounding of the large."""

    def compare(ours: Tensor, theirs: Tensor) -> None:
        assert ours.shape == theirs.shape
        off = float((ours.detach() - theirs).abs().max())
        assert off <= TOLERANCE * float(theirs.abs().max())

    return compare
