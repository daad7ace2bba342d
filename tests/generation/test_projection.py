"""Projection recovers what the base itself generated."""

from pathlib import Path

import pytest
import torch

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.perceptual import embed
from lfsgan_cli.generation.projection import EMBEDDING_SIZE, Projection, Projector
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.workspace.workspace import Workspace


@pytest.mark.slow
def test_projections_of_generated_images_are_a_fifth_as_far_as_two_samples(tmp_path: Path) -> None:
    """Measured with the network at its full size, which the search does not use."""
    generator = Workspace(tmp_path).base.average
    network, judge = EfficientNetLite0(EMBEDDING_SIZE), EfficientNetLite0()
    targets = torch.cat(list(sample(generator, range(3000, 3003))))  # beyond the seeds that are starts
    shares = []
    for target in targets:
        (*_, found) = Projector(generator, lambda images: embed(network, images)).run(target[None])
        assert isinstance(found, Projection)
        assert not found.outside
        with torch.no_grad():
            own, images = embed(judge, from_levels(target[None])), embed(judge, from_levels(found.image))
            others = embed(judge, from_levels(torch.cat(list(sample(generator, range(100, 108))))))
        between = torch.pdist(others).square().median()
        shares.append(float((own - images).square().sum() / between))
    assert sorted(shares)[1] <= 0.2
