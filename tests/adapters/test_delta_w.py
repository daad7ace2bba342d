"""Delta-w moves the latent of every layer, before its style affine."""

import torch
from lfsgan_adapters.delta_w import DeltaW, LatentOffset

from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.layers import Linear, ModulatedConv2d
from lfsgan_cli.testing import check_adapter, tiny_generator


def test_it_keeps_the_contract() -> None:
    check_adapter(DeltaW)


def test_images_are_those_of_the_base_with_an_offset_at_the_input_of_every_affine() -> None:
    base, rng = tiny_generator().double(), torch.Generator().manual_seed(0)
    adapter = DeltaW(base, DeltaW.Config()).double()
    z = torch.randn(3, base.config.w_dim, generator=rng, dtype=torch.float64)
    hooks, layers = [], [(name, one) for name, one in base.named_modules() if isinstance(one, ModulatedConv2d)]
    for name, layer in layers:
        offset = torch.randn(base.config.w_dim, generator=rng, dtype=torch.float64)
        adapter.weights[f"{name}.affine.bias"].delta.data = offset
        hooks.append(layer.affine.register_forward_pre_hook(lambda _layer, w, by=offset: (w[0] + by,)))
    with torch.no_grad():
        wanted = base(z)
        for hook in hooks:
            hook.remove()
        assert (wanted - base(z)).abs().max() > 0.1
        for network in (adapt(base, adapter), merge(base, adapter)):
            torch.testing.assert_close(network(z), wanted, rtol=0, atol=1e-6)


def test_one_offset_for_all_layers_is_an_offset_of_w() -> None:
    base, rng = tiny_generator().double(), torch.Generator().manual_seed(0)
    adapter = DeltaW(base, DeltaW.Config()).double()
    z, offset = (torch.randn(n, base.config.w_dim, generator=rng, dtype=torch.float64) for n in (3, 1))
    for parameter in adapter.parameters():
        parameter.data = offset[0]
    with torch.no_grad():
        wanted = base.synthesis(base.spread(base.mapping(z) + offset))
        torch.testing.assert_close(adapt(base, adapter)(z), wanted, rtol=0, atol=1e-6)


def test_the_multiplier_of_an_affine_cancels() -> None:
    affine = Linear(6, 4, multiplier=0.01).double()
    task = LatentOffset(affine).double()
    task.delta.data = torch.arange(6.0, dtype=torch.float64)
    w = torch.ones(2, 6, dtype=torch.float64)
    wanted = affine(w + task.delta)
    affine.bias.data = task(affine.bias).detach()
    torch.testing.assert_close(affine(w), wanted)


def test_the_affines_are_not_stored_in_the_task() -> None:
    adapter = DeltaW(tiny_generator(), DeltaW.Config())
    assert all(name.endswith(".delta") for name in adapter.tensors())


def test_a_task_has_one_latent_for_each_convolution_and_each_to_rgb() -> None:
    # StyleGAN2 config-f at 256 pixels, as counted in WeditGAN's code.
    with torch.device("meta"):
        assert DeltaW(build_generator(NetworkConfig.standard(256)), DeltaW.Config()).size == (13 + 7) * 512
