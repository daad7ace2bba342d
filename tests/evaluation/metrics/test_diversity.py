"""Intra-LPIPS and B-LPIPS: the published numbers, and what they say of collapsed and of varied images."""

import math
from dataclasses import astuple
from typing import Any

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.extractors.perceptual import pairwise
from lfsgan_cli.evaluation.metrics.diversity import (
    FIRST,
    MEMBERS,
    Clusters,
    Diversity,
    MeanDistance,
    NoPairError,
    balance,
    weights,
)
from lfsgan_cli.evaluation.registry import TooFewToMeasureError


def of(embeddings: Tensor, shots: Tensor, *, batch: int = 7, **limits: int) -> Diversity:
    clusters = Clusters(shots, **limits)
    for part in torch.split(embeddings, batch):
        clusters.add(part)
    return clusters.diversity()


def from_distances(to_shots: Tensor, among: Tensor, *, members: int = MEMBERS, first: int = FIRST) -> Diversity:
    """By brute force, from all distances: to the K training images, [N, K], and among the images themselves, [N, N]."""
    owners = to_shots[:first].argmin(1)
    found = [torch.nonzero(owners == cluster)[:, 0] for cluster in range(to_shots.shape[1])]
    return balance([len(indices) for indices in found], [mean_pair(among, indices[:members]) for indices in found])


def mean_pair(among: Tensor, indices: Tensor) -> float | None:
    if len(indices) < 2:
        return None
    above = torch.triu_indices(len(indices), len(indices), 1).unbind()
    return float(among[indices][:, indices][above].double().mean())


def test_the_published_evaluation_gives_the_same_numbers(diversity_cases: list[dict[str, Any]]) -> None:
    assert len(diversity_cases) == 3
    for case in diversity_cases:
        to_shots, among = torch.tensor(case["fake_real"]), torch.tensor(case["fake_fake"])
        found = from_distances(to_shots, among, members=case["cluster_size"])
        assert list(found.counts) == case["cluster_counts"]
        assert weights(found.counts) == pytest.approx(case["entropies"], rel=1e-6)  # published in float32
        for mean, published in zip(found.distances, case["mean_pairwise_distance"], strict=True):
            assert mean == (None if published is None else pytest.approx(published, rel=1e-6))
        assert found.intra == pytest.approx(case["i_lpips"], rel=1e-6)
        assert found.balanced == pytest.approx(case["b_lpips"], rel=1e-6)
        assert [f"{found.intra:.4f}", f"{found.balanced:.4f}"] == [f"{x:.4f}" for x in case["printed_4_decimals"]]


@pytest.mark.parametrize(
    ("counts", "total"),
    [([100] * 10, 1.0001), ([500, 500] + [0] * 8, 0.3014), ([910] + [10] * 9, 0.2174), ([1000] + [0] * 9, 0.0004)],
)
def test_the_weights_of_ten_clusters_by_hand(counts: list[int], total: float) -> None:
    # Without the 1e-5: 10 · 0.1 · log₁₀ 10; 2 · 0.5 · log₁₀ 2; 0.91 · 0.0410 + 9 · 0.01 · 2; 0.
    assert sum(weights(counts)) == pytest.approx(total, abs=5e-5)


def test_the_normalised_form_is_the_same_for_five_and_for_ten_training_images() -> None:
    five, ten = balance([200] * 5, [0.5] * 5), balance([100] * 10, [0.5] * 10)
    assert five.normalised == pytest.approx(0.5, abs=1e-4)
    assert ten.normalised == pytest.approx(0.5, abs=1e-4)
    assert ten.balanced / five.balanced == pytest.approx(1 / math.log10(5), abs=1e-3)  # which the plain one is not


def test_one_shot_has_no_balance() -> None:
    found = balance([20], [0.5])
    assert found.normalised is None
    assert found.balanced == pytest.approx(0, abs=1e-5)
    assert found.intra == 0.5


@pytest.mark.parametrize("limits", [{}, {"members": 3}, {"first": 17}, {"members": 2, "first": 20}])
def test_sums_that_keep_no_image_equal_the_matrices_of_all_pairs(
    embedded_portraits: Tensor, limits: dict[str, int]
) -> None:
    shots, rest = embedded_portraits[::5], embedded_portraits[torch.arange(30) % 5 > 0]
    matrices = from_distances(pairwise(rest, shots), pairwise(rest, rest), **limits)
    streamed = of(rest, shots, **limits)
    assert streamed.counts == matrices.counts
    # float32 matrices of distances around 0.5, each off by 1e-6
    assert [streamed.intra, streamed.balanced] == pytest.approx([matrices.intra, matrices.balanced], abs=5e-6)


def test_images_in_other_batches_give_the_same(embedded_portraits: Tensor) -> None:
    shots = embedded_portraits[::10]
    one, all_at_once = (of(embedded_portraits, shots, batch=batch) for batch in (1, 30))
    assert one.counts == all_at_once.counts
    assert astuple(one)[:3] == pytest.approx(astuple(all_at_once)[:3], rel=1e-9)


def test_images_beyond_the_first_thousand_are_not_counted() -> None:
    rng = torch.Generator().manual_seed(0)
    shots, pictures = torch.randn(4, 3, generator=rng), torch.randn(1030, 3, generator=rng)
    clusters = Clusters(shots)
    for part in torch.split(pictures, 64):
        clusters.add(part)
    assert clusters.count == 1000
    assert clusters.diversity() == of(pictures[:1000], shots, batch=64)


def test_a_collapsed_generator_has_no_diversity_and_portraits_have(embedded_portraits: Tensor) -> None:
    shots, fresh = embedded_portraits[:10:2], embedded_portraits[1:10:2]  # lorelei, every second one a shot
    collapsed = of(fresh[:1].expand(100, -1), shots)
    assert abs(collapsed.balanced) < 1e-6
    assert collapsed.intra < 1e-6
    assert sorted(collapsed.counts) == [0, 0, 0, 0, 100]
    assert of(embedded_portraits, shots).balanced > 0.05


def test_a_generator_that_repeats_the_training_images_is_balanced_and_without_diversity(
    embedded_portraits: Tensor,
) -> None:
    shots = embedded_portraits[:10]
    found = of(shots.repeat(10, 1), shots)
    assert found.counts == (10,) * 10
    assert found.balanced == pytest.approx(0, abs=1e-6)


def test_images_without_a_pair_are_refused(embedded_portraits: Tensor) -> None:
    shots = embedded_portraits[:3]
    with pytest.raises(NoPairError, match="no two of 3 images are nearest to the same of 3 training images"):
        of(shots, shots)
    with pytest.raises(TooFewToMeasureError, match="B-LPIPS of one image"):
        of(shots[:1], shots)


def mean_distance(*parts: Tensor) -> float:
    mean = MeanDistance()
    for part in parts:
        mean.add(part)
    return mean.value()


def test_the_mean_over_all_pairs_needs_no_pair(embedded_portraits: Tensor) -> None:
    six = embedded_portraits[:6]
    above = torch.triu_indices(6, 6, 1).unbind()
    assert mean_distance(six) == pytest.approx(float(pairwise(six, six)[above].mean()), abs=5e-6)
    assert mean_distance(six[:4], six[4:]) == pytest.approx(mean_distance(six), rel=1e-9)


def test_copies_of_one_image_have_no_variety(embedded_portraits: Tensor) -> None:
    assert mean_distance(embedded_portraits[:1].expand(5, -1)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [0, 1])
def test_variety_needs_two_images(embedded_portraits: Tensor, count: int) -> None:
    with pytest.raises(TooFewToMeasureError, match="expected at least 2"):
        mean_distance(embedded_portraits[:count])
