"""Intervals over seeds, and differences of methods that are paired by seed and domain."""

from itertools import product
from statistics import fmean

import pytest

from lfsgan_cli.benchmark.results import Interval, differences, interval


def test_one_seed_has_no_interval_and_of_two_it_is_their_range() -> None:
    assert interval([]) is None
    assert interval([3.0]) == Interval(3.0)
    assert interval([1.0, 3.0]) == Interval(2.0, None, 1.0, 3.0)


def test_of_a_few_seeds_it_cuts_a_fortieth_of_all_resamples_from_either_end() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    means = sorted(fmean(sample) for sample in product(values, repeat=5))
    found = interval(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert sum(mean < found.low for mean in means) <= 78 <= sum(mean <= found.low for mean in means)  # 3,125 / 40
    assert sum(mean > found.high for mean in means) <= 78 <= sum(mean >= found.high for mean in means)


def test_of_many_seeds_it_is_that_of_a_normal_mean_and_always_the_same() -> None:
    values = [float(index) for index in range(40)]
    found = interval(values)
    assert found == interval(values)
    assert found is not None
    # The mean of 40 values with deviation 11.5 has the deviation 1.825.
    assert found.value == 19.5
    assert found.low == pytest.approx(19.5 - 3.58, abs=0.25)
    assert found.high == pytest.approx(19.5 + 3.58, abs=0.25)


MATRICES = {
    "left": {0: {(1, 1): 10.0, (2, 1): 10.0, (2, 2): 20.0}, 1: {(1, 1): 30.0, (2, 1): 30.0, (2, 2): 40.0}},
    "full": {0: {(1, 1): 11.0, (2, 1): 15.0, (2, 2): 18.0}, 1: {(1, 1): 31.0, (2, 1): 36.0, (2, 2): 44.0}},
    "late": {2: {(1, 1): 1.0}, 1: {(1, 1): 33.0}},
}


def test_a_difference_is_paired_by_seed_so_that_what_seeds_share_cancels() -> None:
    first = differences(MATRICES, "full", "left", 1)
    assert first == Interval(5.5, None, 5.0, 6.0)  # seeds lie 20 apart, the differences 1
    assert not first.holds_zero
    second = differences(MATRICES, "full", "left", 2)
    assert second == Interval(1.0, None, -2.0, 4.0)
    assert second.holds_zero


def test_only_seeds_and_steps_that_both_have_count() -> None:
    assert differences(MATRICES, "late", "left", 1) == Interval(3.0)  # after the first step, with the one seed
    assert differences(MATRICES, "late", "left", 2) is None
    assert differences(MATRICES, "none", "left", 1) is None


@pytest.mark.parametrize(
    ("one", "words"),
    [(Interval(-12.3, None, -15.1, -9.4), "-12.30 (-15.10 to -9.40)"), (Interval(3.0), "3.00")],
)
def test_it_is_read_with_its_ends(one: Interval, words: str) -> None:
    assert str(one) == words
