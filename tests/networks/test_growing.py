"""A base that grows draws and scores as before, and then learns at its new resolution."""

import pytest
import torch
from torch.nn import functional as F

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.growing import grow_discriminator, grow_generator, grown_config
from lfsgan_cli.networks.layers import upsample
from lfsgan_cli.testing import tiny_generator


@pytest.mark.parametrize("resolution", [32, 64])
def test_a_grown_generator_draws_what_it_drew_enlarged(resolution: int) -> None:
    small = tiny_generator()
    large = grow_generator(small, grown_config(small.config, resolution), seed=1)
    z = torch.randn(4, small.config.w_dim)
    expected = small(z)
    for _ in range((resolution // small.config.resolution).bit_length() - 1):
        expected = upsample(expected)
    torch.testing.assert_close(large(z), expected, rtol=1e-5, atol=1e-5)


def test_the_new_level_of_a_generator_learns() -> None:
    small = tiny_generator()
    large = grow_generator(small, grown_config(small.config, 32), seed=1).requires_grad_(requires_grad=True)
    large(torch.randn(2, small.config.w_dim)).square().mean().backward()
    gradient = large.get_parameter("synthesis.to_rgbs.3.conv.weight").grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_a_grown_discriminator_scores_about_as_the_old_one_scores_halved_images() -> None:
    config = tiny_generator().config
    torch.manual_seed(0)
    old, images = Discriminator(config), F.avg_pool2d(torch.randn(64, 3, 128, 128), 4) * 2
    grown = grow_discriminator(old, grown_config(config, 32), images, seed=1)
    with torch.no_grad():
        scores = torch.stack([old(F.avg_pool2d(images, 2)).flatten(), grown(images).flatten()])
    assert torch.corrcoef(scores)[0, 1] > 0.8


def test_new_levels_have_half_the_channels_and_at_least_16() -> None:
    config = grown_config(tiny_generator().config, 64)
    assert dict(config.channels) == {4: 16, 8: 16, 16: 8, 32: 16, 64: 16}
