"""StyleSpace adds an offset to every style, after its affine."""

import torch
from lfsgan_adapters.stylespace import StyleSpace

from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.layers import ModulatedConv2d
from lfsgan_cli.testing import check_adapter, tiny_generator


def test_it_keeps_the_contract() -> None:
    check_adapter(StyleSpace)


def test_images_are_those_of_the_base_with_an_offset_at_the_output_of_every_affine() -> None:
    base, rng = tiny_generator().double(), torch.Generator().manual_seed(0)
    adapter = StyleSpace(base, StyleSpace.Config()).double()
    z = torch.randn(3, base.config.w_dim, generator=rng, dtype=torch.float64)
    hooks, layers = [], [(name, one) for name, one in base.named_modules() if isinstance(one, ModulatedConv2d)]
    for name, layer in layers:
        offset = 0.3 * torch.randn(layer.weight.shape[2], generator=rng, dtype=torch.float64)
        adapter.weights[f"{name}.affine.bias"].delta.data = offset
        hooks.append(layer.affine.register_forward_hook(lambda _layer, _x, style, by=offset: style + by))
    with torch.no_grad():
        wanted = base(z)
        for hook in hooks:
            hook.remove()
        assert (wanted - base(z)).abs().max() > 0.1
        for network in (adapt(base, adapter), merge(base, adapter)):
            torch.testing.assert_close(network(z), wanted, rtol=0, atol=1e-6)


def test_a_task_has_one_number_for_each_style_channel() -> None:
    # StyleGAN2 config-f at 256 pixels: 5,760 of 3×3 convolutions, 2,944 of ToRGB.
    with torch.device("meta"):
        assert StyleSpace(build_generator(NetworkConfig.standard(256)), StyleSpace.Config()).size == 5_760 + 2_944
