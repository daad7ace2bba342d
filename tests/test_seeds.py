"""Seeds are read as users write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfsgan_cli.options import LARGEST, MOST, SeedsError, parse_seeds

RANGES = st.lists(
    st.tuples(st.integers(0, LARGEST - 50), st.integers(0, 50)).map(lambda ends: range(ends[0], ends[0] + ends[1] + 1)),
    min_size=1,
)


@given(RANGES)
def test_ranges_are_laid_out_in_order_each_seed_once(ranges: list[range]) -> None:
    text = ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in ranges)
    assert parse_seeds(text) == list(dict.fromkeys(seed for part in ranges for seed in part))


@given(st.text(alphabet="0123456789-, x"))
def test_any_text_gives_seeds_or_the_error(text: str) -> None:
    with suppress(SeedsError):
        seeds = parse_seeds(text)
        assert seeds
        assert all(0 <= seed <= LARGEST for seed in seeds)


def test_spaces_between_parts_are_allowed() -> None:
    assert parse_seeds("0-2, 7") == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is neither a number nor a range"),
        ("1,,2", "'' is neither a number nor a range"),
        ("1-", "'1-' is neither"),
        ("-1", "'-1' is neither"),
        ("cat", "'cat' is neither"),
        ("7-3", "'7-3' runs backwards"),
        (str(LARGEST + 1), "larger than 4294967295"),
        (f"0-{MOST}", "more than 1,000,000 images"),
        (f"0-{MOST - 1},{MOST}", "more than 1,000,000 images"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(SeedsError, match=words) as caught:
        parse_seeds(text)
    assert str(caught.value).endswith("expected numbers and ranges such as 0-63,70")
