"""Ticks are round numbers that span what is generated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfsgan_cli.report.charts import tick_label, tight, wide

VALUES = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=5)


@given(VALUES)
def test_every_value_lies_on_the_axis(values: list[float]) -> None:
    for axis in (wide(values), tight(values)):
        assert all(-1e-6 <= axis.share(value) <= 1 + 1e-6 for value in values)
        assert len(axis.ticks) <= 12


def test_ticks_are_ones_twos_and_fives() -> None:
    assert wide([108.7, 231.9]).ticks == (100, 150, 200, 250)
    assert wide([0.02, 0.31]).ticks == pytest.approx((0.0, 0.1, 0.2, 0.3, 0.4))


def test_steps_have_whole_ticks_inside_their_range() -> None:
    axis = tight([10.0, 1300.0])
    assert (axis.low, axis.high, axis.ticks) == (10.0, 1300.0, (500, 1000))
    assert tight([1.0, 2.0]).ticks == (1, 2)


def test_one_value_alone_is_in_the_middle() -> None:
    assert tight([3.0]).share(3.0) == 0.5


def test_labels_have_the_decimals_that_tell_them_apart() -> None:
    small, large = wide([0.02, 0.31]), wide([0.0, 12_000.0])
    assert [tick_label(tick, small) for tick in small.ticks] == ["0.0", "0.1", "0.2", "0.3", "0.4"]
    assert tick_label(large.ticks[-1], large) == "15,000"
    assert tick_label(-0.0, small) == "0.0"
