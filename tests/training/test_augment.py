"""The discriminator's pictures are shifted as whole pictures, and gradients find their way back."""

import torch
from torch.autograd import gradgradcheck

from lfsgan_cli.training.augment import shifted


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_shift_up_to_the_share_comes_about_and_no_other() -> None:
    middle = torch.zeros(500, 1, 16, 16)
    middle[:, :, 8, 8] = 1
    places = shifted(middle, 0.125, rng()).flatten(1).argmax(1)  # an eighth of 16: up to two pixels either way
    assert {(int(place) // 16, int(place) % 16) for place in places} == {
        (y, x) for y in range(6, 11) for x in range(6, 11)
    }


def test_the_border_is_repeated() -> None:
    assert torch.equal(shifted(torch.ones(8, 3, 16, 16), 0.25, rng()), torch.ones(8, 3, 16, 16))


def test_a_share_of_less_than_a_pixel_changes_nothing() -> None:
    images = torch.rand(2, 3, 16, 16, generator=rng())
    assert torch.equal(shifted(images, 0.0, rng()), images)
    assert torch.equal(shifted(images, 0.05, rng()), images)


def test_it_is_twice_differentiable() -> None:
    images = torch.rand(2, 1, 4, 4, dtype=torch.float64, generator=rng()).requires_grad_()
    assert gradgradcheck(lambda x: shifted(x, 0.25, rng()).square(), images)
