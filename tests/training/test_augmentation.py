"""Adaptive augmentation: images stay as they are at p = 0, gradients pass twice, and p follows the overfitting."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import AugmentConfig
from lfsgan_cli.training.discriminator import Augmentation, resampled

IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def augmentation(**settings: object) -> Augmentation:
    return Augmentation(AugmentConfig(**settings), RandomSource(1, torch.device("cpu")))  # type: ignore[arg-type]


def test_nothing_changes_bit_for_bit_where_the_probability_is_zero() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        images = IMAGES.to(dtype)
        assert torch.equal(augmentation(mode="adaptive")(images), images)


def test_every_image_changes_by_itself_where_it_is_one() -> None:
    same = IMAGES[:1].expand(6, -1, -1, -1)
    changed = augmentation(mode="fixed", p=1.0)(same)
    assert all(not torch.equal(one, IMAGES[0]) for one in changed)
    assert len({one.detach().numpy().tobytes() for one in changed}) == 6


def test_about_as_many_images_change_as_the_probability_says() -> None:
    many = IMAGES.repeat(200, 1, 1, 1)
    kept = [(one == other).all() for one, other in zip(augmentation(mode="fixed", p=0.05)(many), many, strict=True)]
    # Twelve gates with 0.05, of which two are halves of a rotation: (1 - 0.05)^12 is 0.54 of the images.
    assert 0.5 < sum(map(float, kept)) / len(many) < 0.62


@pytest.mark.parametrize("size", [(16, 16), (8, 16)])
def test_resampling_is_grid_samples_with_mirrored_borders(size: tuple[int, int]) -> None:
    images = torch.rand(4, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    theta = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1)
    theta[:, :2] += 0.5 * torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    grid = F.affine_grid(theta[:, :2], list(images.shape), align_corners=False)
    expected = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(resampled(images, theta), expected, rtol=1e-9, atol=1e-9)


def test_gradients_and_gradients_of_gradients_pass() -> None:
    pipe = augmentation(mode="fixed", p=1.0)

    def score(images: Tensor) -> Tensor:
        pipe.random.rng.manual_seed(1)
        changed: Tensor = pipe(images)
        return changed.pow(3).mean()

    images = IMAGES[:2, :, :8, :8].double().requires_grad_()
    (first,) = torch.autograd.grad(score(images), images, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), images)
    assert bool(first.any())
    assert bool(second.any())
    assert torch.autograd.gradcheck(score, images, atol=1e-6)


def test_it_rises_while_training_images_are_told_too_surely_and_falls_again() -> None:
    pipe, sure = augmentation(mode="adaptive", rise=100.0), torch.ones(4, 1)
    ps = []
    for logits in [sure] * 30 + [-sure] * 30:
        pipe.observe(logits, 4)
        ps.append(float(pipe.p))
    top = max(ps)
    assert ps[0] == 0  # the running mean has not yet reached the target
    assert top == pytest.approx(0.8)  # and there it stays, whatever the overfitting
    assert ps[-1] < 0.2
    assert all(abs(b - a) <= 4 / 100 + 1e-6 for a, b in pairwise(ps))


def test_patches_count_by_their_mean_sign_and_not_by_their_number() -> None:
    one, many = augmentation(mode="adaptive"), augmentation(mode="adaptive")
    one.observe(torch.ones(4, 1), 4)
    many.observe(torch.ones(4, 1, 8, 8), 4)
    assert one.overfitting == many.overfitting == 0.25


def test_a_fixed_probability_stays() -> None:
    pipe = augmentation(mode="fixed", p=0.3)
    for _ in range(20):
        pipe.observe(torch.ones(4, 1), 4)
    assert float(pipe.p) == pytest.approx(0.3)


def test_its_state_and_that_of_its_generator_make_a_resumed_run_exact() -> None:
    first = augmentation(mode="adaptive", p=0.5)
    for _ in range(3):
        first(IMAGES)
        first.observe(torch.ones(4, 1), 4)
    again = augmentation(mode="adaptive")
    again.load_state_dict(first.state_dict())
    again.random.rng.set_state(first.random.rng.get_state())
    assert torch.equal(again(IMAGES), first(IMAGES))
    assert (again.p, again.overfitting) == (first.p, first.overfitting)
