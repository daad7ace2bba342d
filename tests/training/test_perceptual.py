"""What compares images while a task is learned: its embeddings, distances and gradients go together."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import from_levels
from lfsgan_cli.images.dataset import load_images
from lfsgan_cli.training.losses import EnergyDistance
from lfsgan_cli.training.perceptual import PerceptualDistance, perceptual_distance_to

FEW_SHOTS = Path(__file__).parents[2] / "examples" / "few_shots"


def pictures(style: str) -> Tensor:
    levels = torch.from_numpy(load_images(FEW_SHOTS / style, 64).pictures).permute(0, 3, 1, 2)
    return from_levels(levels)


@pytest.fixture(scope="module")
def likeness() -> PerceptualDistance:
    shots = load_images(FEW_SHOTS / "notionists", 64).pictures
    return perceptual_distance_to(shots, "efficientnet-lite0", torch.device("cpu"))


def test_distances_are_those_of_the_embeddings(likeness: PerceptualDistance) -> None:
    own, others = pictures("notionists"), pictures("lorelei")
    table = likeness.between(likeness.embed(others), likeness.embed(own))
    expected = torch.cdist(likeness.embed(others), likeness.images).square()
    torch.testing.assert_close(table, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(likeness.to_images(others), table, rtol=1e-4, atol=1e-5)
    assert likeness.to_images(own).argmin(1).tolist() == list(range(len(own)))


def test_training_images_are_nearer_to_themselves_as_a_set_than_another_style_is(likeness: PerceptualDistance) -> None:
    own, other = (
        EnergyDistance(likeness.images).loss(likeness.embed(pictures(style))) for style in ("notionists", "lorelei")
    )
    assert own < other


def test_the_energy_distance_has_gradients_that_reach_every_image(likeness: PerceptualDistance) -> None:
    drawn = pictures("lorelei")[:3].requires_grad_()
    EnergyDistance(likeness.images).loss(likeness.embed(drawn)).backward()  # type: ignore[no-untyped-call]
    assert drawn.grad is not None
    assert bool((drawn.grad.abs().amax((1, 2, 3)) > 0).all())
