"""A task's strength leads from the base to the task, both bit for bit, and somewhat beyond."""

import math

import pytest
import torch
from lfsgan_adapters.adafm import AdaFM
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.delta_w import DeltaW
from lfsgan_adapters.full import FullFineTune
from lfsgan_adapters.kml import KML
from lfsgan_adapters.left import LeFT
from lfsgan_adapters.lora import LoRA
from lfsgan_adapters.stylespace import StyleSpace
from lfsgan_adapters.svd import SVD
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter, construct
from lfsgan_cli.apply import NotMergeableError, StrengthError, adapt, at_strength, merge
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.testing import tiny_generator

KINDS = [LeFT, FullFineTune, LoRA, CAM, AdaFM, SVD, KML, StyleSpace, DeltaW]
STEPS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)


def learned(base: Generator, kind: type[Adapter]) -> Adapter:
    """An adapter some way from its start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        adapter = construct(kind, base, kind.Config()).requires_grad_(requires_grad=False)
        for parameter in adapter.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return adapter


def drawn(generator: Generator) -> Tensor:
    z = torch.randn(4, generator.config.w_dim, generator=torch.Generator().manual_seed(0))
    image: Tensor = generator(z)
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_at_0_it_is_the_base_and_at_1_the_task_bit_for_bit(kind: type[Adapter]) -> None:
    base = tiny_generator()
    adapter = learned(base, kind)
    assert not torch.equal(drawn(adapt(base, adapter)), drawn(base))
    assert torch.equal(drawn(adapt(base, adapter, 0)), drawn(base))
    assert torch.equal(drawn(adapt(base, adapter, 1)), drawn(adapt(base, adapter)))
    if adapter.mergeable:
        assert torch.equal(drawn(merge(base, adapter, 0)), drawn(base))
        assert torch.equal(drawn(merge(base, adapter, 1)), drawn(merge(base, adapter)))


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_leads_farther_from_the_base(kind: type[Adapter]) -> None:
    base = tiny_generator()
    adapter, plain = learned(base, kind), drawn(base)
    distances = [float((drawn(adapt(base, adapter, strength)) - plain).norm()) for strength in STEPS]
    assert distances == sorted(set(distances))


@pytest.mark.parametrize("strength", [0.3, 0.7, 1.2])
def test_a_weight_goes_its_share_of_the_way(strength: float) -> None:
    base, name = tiny_generator().double(), "synthesis.convs.1.conv.weight"
    adapter = learned(tiny_generator(), LeFT).double()
    frozen, task = base.get_parameter(name), merge(base, adapter).get_parameter(name)
    found = merge(base, adapter, strength).get_parameter(name)
    torch.testing.assert_close(found, frozen + strength * (task - frozen))
    torch.testing.assert_close(
        drawn_double(adapt(base, adapter, strength)), drawn_double(merge(base, adapter, strength))
    )


def drawn_double(generator: Generator) -> Tensor:
    image: Tensor = generator(torch.eye(generator.config.w_dim, dtype=torch.float64))
    return image


class Doubled(nn.Module):
    def forward(self, _x: Tensor, y: Tensor) -> Tensor:
        return 2 * y


class DoubledInPlace(nn.Module):
    def forward(self, _x: Tensor, y: Tensor) -> Tensor:
        return y.mul_(2)


@pytest.mark.parametrize("branch", [Doubled, DoubledInPlace])
def test_a_feature_map_goes_its_share_of_the_way(branch: type[nn.Module]) -> None:
    adapter = Adapter()
    adapter.features["layer"] = branch()
    scaled = at_strength(adapter, 0.25).features["layer"]
    assert torch.equal(scaled(torch.zeros(1), torch.ones(1)), torch.tensor([1.25]))


def test_it_has_the_adapters_own_parameters_and_leaves_it_as_it_is() -> None:
    base = tiny_generator()
    adapter = learned(base, CAM)
    before, whole = adapter.tensors(), drawn(adapt(base, adapter))
    weak = at_strength(adapter, 0.5)
    assert weak.size == adapter.size
    assert weak.mergeable is adapter.mergeable
    assert adapter.tensors().keys() == before.keys()
    assert torch.equal(drawn(adapt(base, adapter)), whole)


def test_what_changes_feature_maps_is_not_merged_at_any_strength() -> None:
    base = tiny_generator()
    with pytest.raises(NotMergeableError, match="CAM changes feature maps"):
        merge(base, CAM(base, CAM.Config()), 0.5)


@pytest.mark.parametrize("strength", [-0.1, 1.3, math.nan, math.inf])
def test_a_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(StrengthError, match=f"strength {strength}: expected a number from 0"):
        at_strength(Adapter(), strength)
