"""Every number that is measured says where it is better, and only what gets worse by forgetting is called forgotten."""

import pytest
import torch

from lfsgan_cli.evaluation.metrics.diversity import from_distances
from lfsgan_cli.evaluation.metrics.memorization import memorization
from lfsgan_cli.evaluation.metrics.names import BEST, LEGEND, LESS_IS_BETTER, MORE_IS_BETTER, less_is_better, marked
from lfsgan_cli.evaluation.registry import COMPARISONS, RealSide, diversity_values, memorization_values

APART = torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
COPIES, MISSES = torch.zeros(4, 3), torch.full((4, 3), 9.0)
SHOTS = torch.ones(3, 3)


def measured() -> set[str]:
    """The metrics that `evaluate --all` and a benchmark give."""
    compared = (one.numbers(APART, RealSide(APART)) for one in COMPARISONS.values())
    varied = diversity_values([from_distances(APART[:, :3], APART)], "")
    copied = memorization_values(memorization(COPIES, SHOTS), 4, "")
    return {name for numbers in compared for name in numbers} | {one.metric for one in (*varied, *copied)}


def test_every_metric_has_one_direction() -> None:
    assert measured() == LESS_IS_BETTER | MORE_IS_BETTER | BEST.keys()
    assert len(measured()) == len(LESS_IS_BETTER) + len(MORE_IS_BETTER) + len(BEST)


def test_real_pictures_are_closer_half_of_the_time_copies_always_and_another_domain_never() -> None:
    reals = SHOTS.clone()
    assert memorization(COPIES, SHOTS, reals).closer == 1
    assert memorization(MISSES, SHOTS, reals).closer == 0
    assert memorization(reals, SHOTS, reals).closer == BEST["closer"]
    assert less_is_better("closer") is None


@pytest.mark.parametrize(("metric", "shown"), [("fid", "x ↓"), ("recall", "x ↑"), ("closer", "x → 0.5"), ("new", "x")])
def test_the_sign_behind_a_name_is_one_that_the_legend_explains(metric: str, shown: str) -> None:
    assert marked(metric, "x") == shown
    assert all(sign in LEGEND for sign in shown.removeprefix("x").split()[:1])
