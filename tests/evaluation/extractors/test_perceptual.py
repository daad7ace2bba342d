"""Perceptual distances: one matrix product stands for the plain double loop."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.perceptual import (
    EfficientNetEmbedder,
    embed,
    pairwise,
)

# Between distances of 0 to 4 by float32 sums of 2,944 terms (D at size 32), taken in two orders.
TOLERANCE = 1e-5


def plain_distance(network: EfficientNetLite0, a: Tensor, b: Tensor) -> float:
    """The definition, for two images [1, 3, H, W]."""
    stages = []
    for x, y in zip(network.stages(a), network.stages(b), strict=True):
        unit_x, unit_y = x / x.square().sum(1, keepdim=True).sqrt(), y / y.square().sum(1, keepdim=True).sqrt()
        stages.append((unit_x - unit_y).square().sum(1).mean())
    return float(torch.stack(stages).mean())


@pytest.fixture
def embedded(network: EfficientNetLite0, pictures: Tensor) -> Tensor:
    return embed(network, from_levels(pictures))


def test_all_pairs_at_once_are_the_plain_double_loop(
    network: EfficientNetLite0, pictures: Tensor, embedded: Tensor
) -> None:
    x = from_levels(pictures)
    loop = torch.tensor([[plain_distance(network, a[None], b[None]) for b in x[4:]] for a in x[:4]])
    assert loop.min() > 100 * TOLERANCE  # the images do differ
    torch.testing.assert_close(pairwise(embedded[:4], embedded[4:]), loop, atol=TOLERANCE, rtol=0)


def test_equal_images_are_at_no_distance(embedded: Tensor) -> None:
    assert pairwise(embedded, embedded.clone()).diagonal().max() < TOLERANCE


def test_a_distance_is_symmetric_and_never_negative(embedded: Tensor) -> None:
    distances = pairwise(embedded, embedded)
    torch.testing.assert_close(distances, distances.T, atol=TOLERANCE, rtol=0)
    assert distances.min() >= 0


def test_a_blurred_copy_is_nearer_than_another_image(network: EfficientNetLite0, pictures: Tensor) -> None:
    x = from_levels(pictures)
    blurred = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    assert pairwise(embed(network, blurred), embed(network, x)).argmin(1).tolist() == [0, 1, 2, 3, 4, 5]


def test_gradients_reach_the_images(network: EfficientNetLite0, pictures: Tensor) -> None:
    x = from_levels(pictures).requires_grad_()
    embedded = embed(network, x)
    (gradient,) = torch.autograd.grad(pairwise(embedded[:3], embedded[3:]).sum(), x)
    assert gradient.flatten(1).abs().sum(1).min() > 0


def test_one_pass_gives_the_features_and_the_embeddings(pictures: Tensor) -> None:
    extractor = EfficientNetFeatures()
    judge = EfficientNetEmbedder(extractor)
    passes: list[object] = []
    extractor.network.trunk[0].register_forward_hook(lambda *_: passes.append(None))
    views = judge.views(pictures)
    assert len(passes) == 1
    assert torch.equal(views.features, extractor(pictures))
    assert torch.equal(views.embeddings, judge.embed(pictures))
    assert torch.equal(views.embeddings, embed(extractor.network, from_levels(pictures)))
