"""An adapter lies over its base and leaves no trace in it."""

import copy
from typing import Any

import pytest
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.full import FullFineTune
from lfsgan_adapters.left import LeFT
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.apply import NotMergeableError, UnknownLayerError, adapt, merge
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.testing import tiny_generator

KINDS = [LeFT, FullFineTune, CAM]


def learned(base: Generator, kind: Any) -> Adapter:
    """An adapter away from its start."""
    rng = torch.Generator().manual_seed(0)
    adapter: Adapter = kind(base, kind.Config())
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return adapter


def latents(base: Generator) -> Tensor:
    return torch.randn(2, base.config.w_dim, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_a_task_leaves_the_base_as_it_was(kind: type[Adapter]) -> None:
    base = tiny_generator()
    z, state = latents(base), copy.deepcopy(base.state_dict())
    before = base(z)
    assert not torch.equal(adapt(base, learned(base, kind))(z), before)
    assert torch.equal(base(z), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in base.state_dict().items())


@pytest.mark.parametrize("kind", [LeFT, FullFineTune])
def test_merged_and_adapted_generate_alike_and_merging_copies(kind: type[Adapter]) -> None:
    base = tiny_generator()
    z, adapter = latents(base), learned(base, kind)
    before = base(z)
    torch.testing.assert_close(merge(base, adapter)(z), adapt(base, adapter)(z))
    assert torch.equal(base(z), before)


def test_what_changes_feature_maps_is_not_merged() -> None:
    base = tiny_generator()
    with pytest.raises(NotMergeableError, match="CAM changes feature maps"):
        merge(base, CAM(base, CAM.Config()))


class Failing(nn.Module):
    def forward(self, _x: Tensor, _y: Tensor) -> Tensor:
        raise KeyboardInterrupt


def test_an_interrupt_while_drawing_leaves_no_hook_behind() -> None:
    base = tiny_generator()
    adapter = CAM(base, CAM.Config())
    adapter.features["synthesis.convs.2.conv"] = Failing()
    with pytest.raises(KeyboardInterrupt):
        adapt(base, adapter)(latents(base))
    assert not any(layer._forward_hooks for layer in base.modules())
    assert base(latents(base)).isfinite().all()


def test_a_task_has_a_mean_latent_of_its_own() -> None:
    base = tiny_generator()
    view = adapt(base, LeFT(base, LeFT.Config()))
    view.w_mean += 1
    assert not base.w_mean.any()


@pytest.mark.parametrize("name", ["synthesis.convs.99.conv.weight", "synthesis.convs.0", "elsewhere.weight", "w_mean"])
def test_a_weight_that_the_network_lacks_is_refused(name: str) -> None:
    base = tiny_generator()
    adapter = LeFT(base, LeFT.Config())
    adapter.weights[name] = nn.Identity()
    with pytest.raises(UnknownLayerError, match="the weight"):
        adapt(base, adapter)


@pytest.mark.parametrize("name", ["synthesis.convs.99", "synthesis.convs.0.bias", "elsewhere"])
def test_a_layer_that_the_network_lacks_is_refused(name: str) -> None:
    base = tiny_generator()
    adapter = CAM(base, CAM.Config())
    adapter.features[name] = nn.Identity()
    with pytest.raises(UnknownLayerError, match="the layer"):
        adapt(base, adapter)
