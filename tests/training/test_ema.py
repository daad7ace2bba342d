"""The average follows at the speed that its half-life says, or is the even mean of what it is given."""

import pytest
import torch
from torch import nn

from lfsgan_cli.training.loop import EMA


def pair(value: float) -> tuple[nn.Linear, nn.Linear]:
    """A module of zeros, and one of `value`."""
    old, new = nn.Linear(2, 1), nn.Linear(2, 1)
    for module, level in ((old, 0.0), (new, value)):
        for parameter in module.parameters():
            nn.init.constant_(parameter, level)
    return old, new


def test_half_the_way_is_gone_after_one_half_life() -> None:
    old, new = pair(1.0)
    average = EMA(old, half_life=40, ramp=1e9)
    for step in range(10):
        average.follow(new, batch=4, seen=4 * (step + 1))
    assert average.module.weight.flatten().tolist() == pytest.approx([0.5, 0.5])


def test_early_on_the_half_life_is_a_share_of_the_images_seen() -> None:
    old, new = pair(1.0)
    average = EMA(old, half_life=1e9, ramp=0.5)
    average.follow(new, batch=4, seen=8)  # a half-life of four images, and four were seen
    assert average.module.bias.item() == pytest.approx(0.5)


def test_it_is_a_copy_that_needs_no_gradient() -> None:
    old, new = pair(1.0)
    average = EMA(old, half_life=1, ramp=1)
    average.follow(new, batch=1, seen=1)
    assert not old.weight.any()
    assert not any(parameter.requires_grad for parameter in average.module.parameters())


def test_a_module_that_stands_still_is_met_exactly_and_stays_met() -> None:
    old, _ = pair(1.0)
    average = EMA(old, half_life=3, ramp=1)
    average.follow(old, batch=1, seen=5)
    assert torch.equal(average.module.weight, old.weight)


def test_buffers_are_the_original_s() -> None:
    old, new = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    new(torch.ones(4, 2))
    average = EMA(old, half_life=1e9, ramp=1e9)
    average.follow(new, batch=1, seen=1)
    assert torch.equal(average.module.running_mean, new.running_mean)  # type: ignore[arg-type]
    assert average.module.num_batches_tracked == 1
