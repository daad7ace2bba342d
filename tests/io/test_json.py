"""What is read as JSON can be shown, written again and reckoned with; all else is one kind of error."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfsgan_cli.io import json as strictjson

WORDS = st.text(st.characters(exclude_categories=["Cs"]))  # no halves of surrogate pairs
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_can_say_comes_back(value: object) -> None:
    assert strictjson.loads(json.dumps(value)) == value
    assert strictjson.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        '{"a":[1,-Infinity]}',
        "1e999",
        '{"a":1,"a":2}',
        '["\\ud800"]',
        '{"\\udfff":1}',
        "9223372036854775808",
        "1" * 5000,
        "[" * 33 + "]" * 33,
        "[" * 100_000,
        b"\xff\xfe[\x00]\x00",
    ],
)
def test_what_a_reader_would_stumble_over_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strictjson.loads(text)


def test_the_deepest_nesting_is_read() -> None:
    assert json.dumps(strictjson.loads("[" * 32 + "]" * 32)) == "[" * 32 + "]" * 32


def test_logs_may_hold_numbers_that_are_not_finite_and_nothing_else_of_that() -> None:
    assert math.isnan(strictjson.loads_lenient('{"loss": NaN}')["loss"])
    with pytest.raises(ValueError, match="twice"):
        strictjson.loads_lenient('{"loss": NaN, "loss": 1}')
