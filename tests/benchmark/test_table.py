"""Values come out of a table with the type that was asked for, or one line says what is wrong with them."""

from pathlib import Path
from typing import Any, Literal

import pytest

from lfsgan_cli.benchmark.suite import SuiteError, Table


def table(**values: Any) -> Table:
    return Table(Path("tiny.toml"), "[suite]", values, ("a", "b"))


def test_a_key_that_nothing_would_read_is_refused_when_the_table_is_made() -> None:
    with pytest.raises(SuiteError, match=r"^'tiny.toml': unknown key 'c' in \[suite\]; the known ones are: a, b$"):
        table(c=1)


def test_a_whole_number_serves_where_a_float_is_meant_and_not_the_other_way_round() -> None:
    found = table(a=1).need("a", float)
    assert (found, type(found)) == (1.0, float)
    with pytest.raises(SuiteError, match=r"a = 1.0 in \[suite\]: expected int"):
        table(a=1.0).need("a", int)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, int, "int"),
        (1, bool, "true|false"),
        (1, str, "str"),
        (float("inf"), float, "float"),
        ("z", Literal["x", "y"], "x|y"),
        (["x"], Literal["x", "y"], "x|y"),
    ],
)
def test_another_type_is_named_beside_the_one_expected(value: Any, kind: Any, expected: str) -> None:
    with pytest.raises(SuiteError) as error:
        table(a=value).need("a", kind)
    assert str(error.value) == f"'tiny.toml': a = {value!r} in [suite]: expected {expected}"


def test_only_what_must_be_there_is_missed() -> None:
    assert table().get("a", int, 7) == 7
    assert table(a=3).get("a", int, 7) == 3
    with pytest.raises(SuiteError, match=r"a is missing in .*; expected a = int"):
        table().need("a", int)
    with pytest.raises(SuiteError, match="expected int"):
        table(a="3").get("a", int, 7)


def test_a_list_has_one_value_at_least_and_each_of_them_once() -> None:
    assert table(a=[2, 1]).several("a", int, (9,)) == (2, 1)
    assert table().several("a", int, (9,)) == (9,)
    for values, words in (([], "one or more"), (3, "one or more"), ([1, 1], "has 1 twice"), ([1, "x"], "expected int")):
        with pytest.raises(SuiteError, match=words):
            table(a=values).several("a", int, (9,))


def test_a_table_within_may_be_left_out_and_is_nothing_else() -> None:
    assert table().table("a") == {}
    assert table(a={"x": 1}).table("a") == {"x": 1}
    with pytest.raises(SuiteError, match=r"a = \[1\] in .*: expected a table"):
        table(a=[1]).table("a")


@pytest.mark.parametrize("found", [[], {"x": 1}, [{"x": 1}, 2], "x"])
def test_of_tables_there_is_one_at_least(found: Any) -> None:
    assert [one.values for one in table(a=[{"x": 1}, {}]).tables("a", ("x",))] == [{"x": 1}, {}]
    for one in (table(a=found), table()):
        with pytest.raises(SuiteError, match=r"expected one or more tables \[\[a\]\]"):
            one.tables("a", ("x",))
