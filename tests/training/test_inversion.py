"""Inverted anchors draw images nearer to their training images, and stay as likely as they were."""

import torch
from torch import Tensor

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.anchors import inverted

LEVELS = torch.tensor([-0.5, 0.1, 0.8])
OWNERS = torch.arange(6) % 3
POINTS = torch.randn(6, 16, generator=torch.Generator().manual_seed(1))


def in_brightness(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3))[:, None] - LEVELS).square()


def apart(points: Tensor) -> Tensor:
    with torch.no_grad():
        return in_brightness(tiny_generator()(points)).gather(1, OWNERS[:, None]).flatten()


def test_every_point_comes_nearer_to_its_own_shot_and_keeps_its_length() -> None:
    moved = inverted(tiny_generator(), POINTS, OWNERS, in_brightness, steps=30)
    assert bool((apart(moved) < apart(POINTS)).all())
    torch.testing.assert_close(moved.norm(dim=1), POINTS.norm(dim=1))
    assert not moved.requires_grad


def test_points_do_not_hang_on_those_beside_them() -> None:
    both = inverted(tiny_generator(), POINTS, OWNERS, in_brightness, steps=3)
    alone = inverted(tiny_generator(), POINTS[:1], OWNERS[:1], in_brightness, steps=3)
    torch.testing.assert_close(both[:1], alone)


def test_no_steps_change_nothing() -> None:
    assert torch.equal(inverted(tiny_generator(), POINTS, OWNERS, in_brightness, steps=0), POINTS)
