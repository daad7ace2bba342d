"""The plain difference of images."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.perceptual import pairwise
from lfsgan_cli.evaluation.extractors.pixels import PixelEmbedder, PixelFeatures


def test_distances_are_mean_squared_differences(pictures: Tensor) -> None:
    embedded = PixelEmbedder().embed(pictures)
    levels = pictures.double() / 255
    loop = torch.tensor([[float((a - b).square().mean()) for b in levels] for a in levels])
    torch.testing.assert_close(pairwise(embedded, embedded), loop, atol=1e-6, rtol=0)


def test_black_and_white_are_at_distance_one() -> None:
    black = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    embedded = PixelEmbedder().embed(torch.cat([black, 255 - black]))
    assert float(pairwise(embedded[:1], embedded[1:])) == pytest.approx(1, abs=1e-6)


def test_features_of_pixels_see_ink_by_its_place_and_no_more() -> None:
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    image[:, :, :4, :4] = 255
    found = PixelFeatures()(torch.cat([image, image]))
    assert found.shape == (2, 3 * 16 * 16)
    assert found[0].view(3, 16, 16)[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert float(found.sum()) == 2 * 3
