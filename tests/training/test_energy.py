"""The energy distance is least between sets that are spread alike, and generates a set there."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lfsgan_cli.training.losses import EnergyDistance


def points(*levels: float) -> Tensor:
    return torch.tensor(levels, dtype=torch.float64)[:, None]


def test_the_distance_of_small_sets_is_worked_out_by_hand() -> None:
    # Across: |0-1|, |0-3|, |2-1|, |2-3| have the mean 1.5; among the first: 2; among the second: 2.
    assert float(EnergyDistance(points(1.0, 3.0)).loss(points(0.0, 2.0))) == pytest.approx(2 * 1.5 - 2 - 2)


def test_a_single_shot_has_no_distances_of_its_own() -> None:
    assert float(EnergyDistance(points(1.0)).loss(points(0.0, 2.0))) == pytest.approx(2 * 1 - 2)


def test_neither_a_shifted_nor_a_collapsed_set_is_as_good_as_one_spread_alike() -> None:
    shots = points(*np.linspace(-1, 1, 9))
    alike, shifted = points(*np.linspace(-1, 1, 64)), points(*np.linspace(0, 2, 64))
    collapsed = points(*np.linspace(-0.01, 0.01, 64))
    assert EnergyDistance(shots).loss(alike) < EnergyDistance(shots).loss(shifted)
    assert EnergyDistance(shots).loss(alike) < EnergyDistance(shots).loss(collapsed)


def test_descending_on_fresh_generates_brings_them_to_where_training_images_are_and_spreads_them_as_they_are() -> None:
    rng = torch.Generator().manual_seed(0)
    shots = 2 + 3 * torch.randn(200, 8, generator=rng)
    mean, deviation = torch.zeros(8, requires_grad=True), torch.full((), 0.1, requires_grad=True)
    optimizer = torch.optim.Adam([mean, deviation], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        EnergyDistance(shots).loss(mean + deviation * torch.randn(16, 8, generator=rng)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert mean.tolist() == pytest.approx(shots.mean(0).tolist(), abs=0.5)
    assert float(deviation.detach()) == pytest.approx(3, rel=0.1)


def test_equal_images_have_a_gradient_that_is_a_number() -> None:
    same = torch.zeros(30, 4, requires_grad=True)
    EnergyDistance(torch.zeros(30, 4)).loss(same).backward()  # type: ignore[no-untyped-call]
    assert same.grad is not None
    assert bool(same.grad.isfinite().all())
