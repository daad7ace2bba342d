"""Coverage is nothing where all shots have pictures near them, and grows the fewer have."""

import math

import pytest
import torch

from lfsgan_cli.training.coverage import missing_entropy


def test_pictures_at_every_shot_alike_miss_nothing_and_pictures_at_one_miss_all() -> None:
    even, one = 1 - torch.eye(4).double(), torch.ones(8, 4).double()
    one[:, 2] = 0
    assert float(missing_entropy(even, 0.01)) == pytest.approx(0, abs=1e-9)
    assert float(missing_entropy(one, 0.01)) == pytest.approx(math.log(4))


def test_two_of_four_shots_miss_half_of_the_information() -> None:
    distances = 1 - torch.eye(4).double()[[0, 0, 1, 1]]
    assert float(missing_entropy(distances, 0.01)) == pytest.approx(math.log(2))


def test_descending_brings_a_picture_to_a_shot_that_has_none() -> None:
    distances = torch.tensor([[0.10, 0.20], [0.10, 0.15]], requires_grad=True)
    missing_entropy(distances, 0.05).backward()  # type: ignore[no-untyped-call]
    assert distances.grad is not None
    toward = -distances.grad
    assert bool((toward[:, 1] < 0).all())  # nearer to the neglected shot
    assert bool((toward[:, 0] > 0).all())
    assert abs(float(toward[1, 1])) > abs(float(toward[0, 1]))  # the one that is nearer to it already goes
