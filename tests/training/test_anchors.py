"""Samples around anchors name their shots, and are as near as the noise says."""

import pytest
import torch

from lfsgan_cli.training.anchors import Anchors
from lfsgan_cli.training.batches import RandomSource


def draws(seed: int = 0) -> RandomSource:
    return RandomSource(seed, torch.device("cpu"))


POINTS = torch.tensor([[1000.0, 0.0], [-1000.0, 0.0]])


def test_samples_name_the_images_that_their_anchors_stand_for_each_as_often() -> None:
    near = Anchors(POINTS, 0.1, "varied").near(4000, draws())
    side = (near.z[:, 0] < 0).long()
    assert torch.equal(near.images, side)
    assert 1800 < int(side.sum()) < 2200  # either with a chance of one half


def test_samples_are_at_their_anchors_and_anywhere_up_to_the_spread() -> None:
    near = Anchors(POINTS[:1], 2.0, "varied").near(20_000, draws())
    offsets = near.z - POINTS[0]
    # A deviation uniform from 0 to 2 has a mean square of 4/3.
    assert float(offsets.square().mean()) == pytest.approx(4 / 3, rel=0.05)
    assert float((offsets.abs() < 0.1).float().mean()) > 0.1  # a single normal of that variance has 0.07


def test_closeness_is_the_cosine_between_sample_and_anchor() -> None:
    anchor = draws(1).normal(1, 4096)
    near = Anchors(anchor, 3.0, "varied").near(50, draws())
    cosine = torch.nn.functional.cosine_similarity(near.z, anchor)
    assert float((near.closeness - cosine).abs().max()) < 0.1  # of 4,096 random directions, each is off by 1/64


def test_fixed_noise_is_as_strong_at_every_sample() -> None:
    near = Anchors(torch.zeros(1, 4096), 0.1, "fixed").near(50, draws())
    # Of 4,096 numbers of deviation 0.1, the root mean square is off by a hundredth.
    assert near.z.square().mean(1).sqrt().tolist() == pytest.approx([0.1] * 50, rel=0.05)
    assert near.closeness.tolist() == pytest.approx([1.01**-0.5] * 50)
