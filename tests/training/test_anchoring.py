"""Anchors are the latents whose pictures take after a shot most, and every shot has its own."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.anchors import anywhere, most_alike, relative
from lfsgan_cli.training.batches import RandomSource


def draws(seed: int = 0) -> RandomSource:
    return RandomSource(seed, torch.device("cpu"))


def test_random_anchors_stand_for_every_shot_once() -> None:
    points, owners = anywhere(5, 16, draws())
    assert owners.tolist() == list(range(5))
    assert len({tuple(point.tolist()) for point in points}) == 5


LEVELS = torch.tensor([-0.5, 0.0, 0.1, 0.8])


def in_brightness(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3))[:, None] - LEVELS).abs()


def anchors(each: int, candidates: int) -> tuple[Tensor, Tensor]:
    return most_alike(tiny_generator(), in_brightness, len(LEVELS), each=each, candidates=candidates, draws=draws())


def test_the_anchors_of_a_single_shot_draw_the_most_alike_of_all_candidates() -> None:
    generator = tiny_generator()
    z = draws().normal(120, 16)  # the candidates, drawn as `most_alike` draws them
    distances = in_brightness(generator(z))[:, 0]
    points, _ = most_alike(
        generator, lambda images: in_brightness(images)[:, :1], 1, each=3, candidates=120, draws=draws()
    )
    assert torch.equal(points, z[distances.argsort()[:3]])


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("candidates", [0, 3, 120])
def test_every_shot_has_as_many_anchors_of_its_own(each: int, candidates: int) -> None:
    points, owners = anchors(each, candidates)
    assert owners.bincount().tolist() == [each] * len(LEVELS)
    assert len({tuple(point.tolist()) for point in points}) == each * len(LEVELS)


def test_more_candidates_give_anchors_that_are_more_alike() -> None:
    generator = tiny_generator()
    few, many = (
        in_brightness(generator(points)).gather(1, owners[:, None]).mean()
        for points, owners in (anchors(2, 0), anchors(2, 500))
    )
    assert many < few


def test_what_is_plain_is_relatively_no_nearer_to_any_shot() -> None:
    # From three shots: a plain picture is nearest to all of them; a marked one is far, but takes after the last.
    table = torch.tensor([[0.2, 0.2, 0.2], [0.9, 0.9, 0.6]])
    compared = relative(lambda _images: table)(torch.zeros(2, 3, 4, 4))
    assert table.argmin(0).tolist() == [0, 0, 0]
    assert compared.argmin(0).tolist() == [0, 0, 1]
