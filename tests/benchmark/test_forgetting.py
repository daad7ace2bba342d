"""Forgetting is how much worse earlier domains are at the end than when they were learned."""

import pytest

from lfsgan_cli.benchmark.results import Measured, average_forgetting, over_seeds
from tests.report.conftest import about

# Learned at 10, 20 and 30; at the end 40, 25 and 30: forgotten are (40 - 10 + 25 - 20) / 2 = 17.5.
MATRIX = {(1, 1): 10.0, (2, 1): 15.0, (2, 2): 20.0, (3, 1): 40.0, (3, 2): 25.0, (3, 3): 30.0}


def test_it_is_the_mean_over_all_domains_but_the_last() -> None:
    assert average_forgetting(MATRIX, less_is_better=True) == 17.5


def test_where_more_is_better_the_same_change_is_a_gain() -> None:
    assert average_forgetting(MATRIX, less_is_better=False) == -17.5


def test_an_earlier_loss_that_was_made_good_does_not_count() -> None:
    assert average_forgetting({**MATRIX, (2, 1): 1000.0}, less_is_better=True) == 17.5


def test_what_stays_bit_for_bit_is_not_forgotten_at_all() -> None:
    kept = {(t, i): 1 / 3 + i for t in range(1, 6) for i in range(1, t + 1)}
    assert average_forgetting(kept, less_is_better=True) == 0


@pytest.mark.parametrize(
    "matrix",
    [{}, {(1, 1): 10.0}, {(1, 1): 10.0, (2, 2): 20.0}, {(2, 1): 10.0, (2, 2): 20.0}],
    ids=["nothing", "one step", "the end is missing", "the beginning is missing"],
)
def test_where_it_cannot_be_known_there_is_no_number(matrix: dict[tuple[int, int], float]) -> None:
    assert average_forgetting(matrix, less_is_better=True) is None


def test_one_seed_has_no_spread_and_several_have_the_sample_deviation() -> None:
    assert over_seeds([]) is None
    assert over_seeds([3.0]) == Measured(3.0, None)
    assert over_seeds([1.0, 3.0]) == Measured(2.0, about(2**0.5))  # ((1 + 1) / (2 - 1)) ** 0.5
