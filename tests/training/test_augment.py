"""Tests of lfsgan_cli.training.discriminator."""

import torch

from lfsgan_cli.training.discriminator import shifted


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_an_image_of_one_colour_stays_as_it_is() -> None:
    images = torch.rand(3, 3, 1, 1, generator=rng()).expand(3, 3, 16, 16)
    assert torch.equal(shifted(images, 0.25, rng()), images)


def test_every_image_moves_by_itself_and_by_no_more_than_the_share() -> None:
    column = torch.arange(16.0).expand(1, 3, 16, 16)
    moved = shifted(column.repeat(200, 1, 1, 1), 0.125, rng())[:, 0, 8, 8]  # the middle shows where it came from
    assert set((moved - 8).tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}


def test_a_share_below_one_pixel_changes_nothing() -> None:
    images = torch.rand(2, 3, 16, 16, generator=rng())
    assert torch.equal(shifted(images, 0.05, rng()), images)


def test_gradients_pass() -> None:
    images = torch.rand(2, 3, 16, 16, generator=rng(), requires_grad=True)
    shifted(images, 0.125, rng()).sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert float(images.grad.sum()) == images.numel()  # every pixel that is shown has a gradient of one
