"""The discriminator judges as rosinality's does, and gives patches from where LFS-GAN reads them."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator, PatchHead

TOLERANCE = 1e-4  # as for the generator's images


def test_logits_are_the_reference(discriminator: Discriminator, rosinality_outputs: dict[str, Tensor]) -> None:
    out = rosinality_outputs
    torch.testing.assert_close(discriminator(out["d_images"]), out["d_logits"], rtol=TOLERANCE, atol=TOLERANCE)


def test_minibatch_statistics_of_two_pictures(
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
def test_any_number_of_pictures_can_be_judged(
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
    assert PatchHead(config)(features).shape == (1, 1, side, side)
