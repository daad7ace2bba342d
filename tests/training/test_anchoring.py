"""Anchors are the latents whose images resemble a training image most, and every image has its own."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.anchors import anchor_points, most_similar, relative
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import AnchorsConfig
from tests.brightness import InBrightness


def source(seed: int = 0) -> RandomSource:
    return RandomSource(seed, torch.device("cpu"))


LEVELS = torch.tensor([-0.5, 0.0, 0.1, 0.8])


def in_brightness(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3))[:, None] - LEVELS).abs()


def anchors(candidates: int) -> Tensor:
    return most_similar(tiny_generator(), in_brightness, len(LEVELS), candidates=candidates, random=source())


def test_random_anchors_stand_for_every_image_once() -> None:
    config = AnchorsConfig(kind="random", weight=0.0)
    distance = InBrightness([LEVELS[:1].numpy()] * 5)
    points = anchor_points(tiny_generator(), distance, config, source(), torch.float32, lambda _images: None)
    assert len({tuple(point.tolist()) for point in points}) == 5


def test_the_anchor_of_a_single_image_is_the_most_similar_of_all_candidates() -> None:
    generator = tiny_generator()
    z = source().normal(120, 16)  # the candidates, as `most_similar` draws them
    distances = in_brightness(generator(z))[:, 0]
    points = most_similar(generator, lambda images: in_brightness(images)[:, :1], 1, candidates=120, random=source())
    assert torch.equal(points, z[distances.argsort()[:1]])


@pytest.mark.parametrize("candidates", [0, 3, 120])
def test_every_image_has_an_anchor_of_its_own(candidates: int) -> None:
    assert len({tuple(point.tolist()) for point in anchors(candidates)}) == len(LEVELS)


def test_more_candidates_give_anchors_that_are_more_similar() -> None:
    few, many = (in_brightness(tiny_generator()(points)).diagonal().mean() for points in (anchors(0), anchors(500)))
    assert many < few


def test_what_is_plain_is_relatively_no_nearer_to_any_image() -> None:
    # From three images: a plain one is nearest to all of them; a marked one is far, but resembles the last.
    table = torch.tensor([[0.2, 0.2, 0.2], [0.9, 0.9, 0.6]])
    compared = relative(lambda _images: table)(torch.zeros(2, 3, 4, 4))
    assert table.argmin(0).tolist() == [0, 0, 0]
    assert compared.argmin(0).tolist() == [0, 0, 1]
