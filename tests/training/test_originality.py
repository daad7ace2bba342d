"""Images that are as far from the training images as these are from each other cost nothing; copies cost the most."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.training.losses import MemorizationPenalty


def even(*levels: float) -> Tensor:
    """Images of one level each, [N, 3, 4, 4]."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, 4, 4)


# The training images' nearest others are at squared differences of 1, 1, 4, 4 and 9; the second of five counts.
SHOTS = even(-3.0, -2.0, 0.0, 2.0, 5.0)


@pytest.mark.parametrize(
    ("level", "cost"),
    [(0.0, 1.0), (1.0, 0.0), (3.5, 0.0), (0.5, (1 - 0.25) ** 2), (-2.5, (1 - 0.25) ** 2), (2.9, (1 - 0.81) ** 2)],
)
def test_the_cost_of_an_image_is_worked_out_by_hand(level: float, cost: float) -> None:
    assert float(MemorizationPenalty(SHOTS, mirror=False).loss(even(level))) == pytest.approx(cost, abs=1e-6)


def test_the_cost_of_a_set_is_the_mean_of_its_images() -> None:
    assert float(MemorizationPenalty(SHOTS, mirror=False).loss(even(0.0, 1.0, 3.5, 9.0))) == pytest.approx(1 / 4)


def test_a_shot_that_is_there_twice_changes_nothing() -> None:
    twice = torch.cat([SHOTS, SHOTS])
    assert (
        float(MemorizationPenalty(twice, mirror=False).near)
        == float(MemorizationPenalty(SHOTS, mirror=False).near)
        == 1.0
    )


def test_training_images_of_one_burst_count_as_one_image() -> None:
    bursts = torch.cat([SHOTS, SHOTS + 0.05, SHOTS - 0.05])  # squared, 0.0025; the mean distance is about 15
    assert float(MemorizationPenalty(bursts, mirror=False).near) == pytest.approx(1.0, rel=0.2)


@pytest.mark.parametrize("shots", [even(0.5), even(0.5, 0.5)])
def test_training_images_that_are_all_one_image_call_nothing_a_copy(shots: Tensor) -> None:
    images = even(0.5, 0.6).clone().requires_grad_()
    loss = MemorizationPenalty(shots, mirror=True).loss(images)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert images.grad is not None
    assert not images.grad.any()


def test_descending_leaves_a_shot_behind_and_stops_where_training_images_are_from_each_other() -> None:
    originality = MemorizationPenalty(SHOTS, mirror=False)
    image = even(0.3).clone().requires_grad_()
    optimizer = torch.optim.SGD([image], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        originality.loss(image).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float((image - SHOTS[2]).detach().square().mean()) == pytest.approx(1.0, rel=0.1)


def test_a_mirrored_copy_costs_as_much_where_training_images_are_shown_mirrored_and_nothing_where_they_are_not() -> (
    None
):
    halves = torch.tensor([1.0, 1.0, -1.0, -1.0])  # bright on the left, dark on the right
    shots = even(0.8, 0.9, 1.0) * halves
    copies = shots.flip(3)
    assert float(MemorizationPenalty(shots, mirror=True).loss(copies)) == 1.0
    assert float(MemorizationPenalty(shots, mirror=False).loss(copies)) == 0.0
    assert float(MemorizationPenalty(shots, mirror=True).near) == float(MemorizationPenalty(shots, mirror=False).near)
