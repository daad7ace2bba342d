"""The discriminator judges as rosinality's does, and gives patches from where LFS-GAN reads them."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator, patch_head

TOLERANCE = 1e-4  # as for the generator's images


def test_logits_are_the_reference(discriminator: Discriminator, rosinality_outputs: dict[str, Tensor]) -> None:
    out = rosinality_outputs
    torch.testing.assert_close(discriminator(out["d_images"]), out["d_logits"], rtol=TOLERANCE, atol=TOLERANCE)


def test_minibatch_statistics_of_two_images(
    discriminator: Discriminator, rosinality_outputs: dict[str, Tensor]
) -> None:
    out = rosinality_outputs
    logits = discriminator(out["d_images"][:2])
    torch.testing.assert_close(logits, out["d_logits_first2"], rtol=TOLERANCE, atol=TOLERANCE)


def test_minibatch_statistics_of_two_interleaved_groups(
    discriminator: Discriminator, rosinality_outputs: dict[str, Tensor]
) -> None:
    out = rosinality_outputs
    logits = discriminator(torch.cat([out["d_images"], -out["d_images"]]))
    torch.testing.assert_close(logits, out["d_logits_8"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("count", [1, 3, 5, 6])
def test_any_number_of_images_can_be_judged(
    discriminator: Discriminator, rosinality_outputs: dict[str, Tensor], count: int
) -> None:
    assert discriminator(rosinality_outputs["d_images"].repeat(2, 1, 1, 1)[:count]).isfinite().all()


# An eighth of the side, as 32 at 256 pixels; where that would be less than 4×4, the last block's 4×4.
@pytest.mark.parametrize(("resolution", "side"), [(16, 4), (32, 4), (64, 8), (128, 16), (256, 32)])
def test_patches_come_from_features_of_an_eighth_of_the_side(resolution: int, side: int) -> None:
    channels = {4 << power: 2 + power for power in range((resolution // 4).bit_length())}
    config = NetworkConfig(resolution, channels, w_dim=4, mapping_layers=1)
    features = Discriminator(config).patch_features(torch.zeros(1, 3, resolution, resolution))
    assert features.shape == (1, channels[side], side, side)
    assert patch_head(config)(features).shape == (1, 1, side, side)


# By the public code's rule, 512 channels and a side of 32 or 16, with two further ones as deep as those at 256 pixels.
def test_four_layers_inside_can_be_scored_from() -> None:
    channels = {4: 9, 8: 8, 16: 7, 32: 6, 64: 5, 128: 4, 256: 3}
    config = NetworkConfig(256, channels, w_dim=4, mapping_layers=1)
    discriminator, images = Discriminator(config), torch.zeros(1, 3, 256, 256)
    shapes = [discriminator.patch_features(images, deeper).shape for deeper in range(4)]
    assert shapes == [(1, 6, 32, 32), (1, 6, 32, 32), (1, 7, 16, 16), (1, 7, 16, 16)]
    for deeper in range(4):
        patch_head(config, deeper)(discriminator.patch_features(images, deeper))


@pytest.mark.parametrize(("resolution", "layers"), [(16, 1), (32, 1), (64, 3), (128, 5), (256, 7)])
def test_so_many_different_layers_can_be_scored_from(resolution: int, layers: int) -> None:
    channels = {4 << power: 2 for power in range((resolution // 4).bit_length())}
    config = NetworkConfig(resolution, channels, w_dim=4, mapping_layers=1)
    discriminator, images = Discriminator(config), torch.randn(1, 3, resolution, resolution)
    found = {discriminator.patch_features(images, deeper).sum().item() for deeper in range(9)}
    assert len(found) == layers


def test_a_small_network_has_no_deeper_layer_than_its_last() -> None:
    config = NetworkConfig(16, {4: 3, 8: 3, 16: 3}, w_dim=4, mapping_layers=1)
    discriminator, images = Discriminator(config), torch.randn(1, 3, 16, 16)
    assert torch.equal(discriminator.patch_features(images), discriminator.patch_features(images, 3))


def test_the_first_blocks_come_with_what_reads_the_colours() -> None:
    discriminator = Discriminator(NetworkConfig(16, {4: 3, 8: 3, 16: 3}, w_dim=4, mapping_layers=1))
    assert list(discriminator.first_blocks(0)) == []
    assert list(discriminator.first_blocks(1)) == [discriminator.from_rgb, discriminator.blocks[0]]
    assert len(list(discriminator.first_blocks(9))) == 3


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_sets_in_one_pass_are_judged_as_each_alone(size: int) -> None:
    config = NetworkConfig(16, {4: 3, 8: 3, 16: 3}, w_dim=4, mapping_layers=1)
    discriminator, images = Discriminator(config).double(), torch.randn(2 * size, 3, 16, 16, dtype=torch.float64)
    alone = torch.cat([discriminator(one) for one in images.chunk(2)])
    torch.testing.assert_close(discriminator(images, sets=2), alone)
    if size > 1:  # among all of them they are judged otherwise, or the test would show nothing
        assert not torch.allclose(discriminator(images), alone)
