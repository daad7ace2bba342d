"""What `-o key=value` may say."""

from dataclasses import MISSING, asdict, dataclass, field
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfsgan_cli.options import (
    Field,
    OptionError,
    UnsupportedTypeError,
    changed,
    describe,
    flat,
    from_json,
    parse,
    spell,
    to_json,
)


@dataclass(frozen=True)
class Config:
    rank: Annotated[int, "Rank of each factor."] = 1
    gain: Annotated[float, "Scale at the start."] = 0.5
    additive: Annotated[bool, "Whether to add."] = True
    note: Annotated[str, "Anything."] = ""
    init: Annotated[Literal["live", "paper"], "How it starts."] = "live"
    depth: Annotated[int | None, "Layers; all without it."] = None
    taps: Annotated[Literal[1, 3] | None, "Width."] = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError("rank must be at least 1")


@dataclass(frozen=True)
class Inner:
    weight: Annotated[float, "Of the loss."] = 7.0
    pairs: Literal["members", "first"] = "members"


@dataclass(frozen=True)
class Nested:
    steps: int = 10
    seeking: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class NeedsRank:
    rank: int
    gain: float = 1.0


configs = st.builds(
    Config,
    rank=st.integers(min_value=1),
    gain=st.floats(allow_nan=False, allow_infinity=False),
    additive=st.booleans(),
    note=st.text(),
    init=st.sampled_from(["live", "paper"]),
    depth=st.none() | st.integers(),
    taps=st.sampled_from([None, 1, 3]),
)


@given(configs)
def test_the_spelling_of_any_values_is_read_back_as_these_values(config: Config) -> None:
    assert parse(Config, [f"{key}={spell(value)}" for key, value in asdict(config).items()]) == config


@given(configs)
def test_json_holds_any_configuration(config: Config) -> None:
    assert from_json(Config, to_json(config)) == config


def test_what_is_not_given_keeps_its_default() -> None:
    assert parse(Config, ["rank=4", "note=a=b", "depth=None"]) == Config(rank=4, note="a=b")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_booleans_have_everyday_spellings(text: str, value: bool) -> None:
    assert parse(Config, [f"additive={text}"]).additive is value


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["rnak=4"], ["'rnak'", "did you mean 'rank'?", "additive, depth, gain, init, note, rank, taps"]),
        (["rank=four"], ["rank='four'", "int"]),
        (["rank=4.0"], ["rank='4.0'", "int"]),
        (["gain=nan"], ["gain='nan'", "float"]),
        (["additive=maybe"], ["additive='maybe'", "true|false"]),
        (["init=dead"], ["init='dead'", "live|paper"]),
        (["taps=2"], ["taps='2'", "1|3|none"]),
        (["rank"], ["'rank'", "key=value"]),
        (["rank=1", "rank=2"], ["'rank'", "twice"]),
        (["rank=0"], ["rank=0", "at least 1"]),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(pairs: list[str], words: list[str]) -> None:
    with pytest.raises(OptionError) as error:
        parse(Config, pairs)
    assert [word for word in words if word not in str(error.value)] == []
    assert "\n" not in str(error.value)


def test_an_option_without_default_must_be_given() -> None:
    with pytest.raises(OptionError, match="'rank' is missing; expected rank=int"):
        parse(NeedsRank, ["gain=2"])
    assert parse(NeedsRank, ["rank=2"]) == NeedsRank(2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra": 1}, "unknown option 'extra'"),
        ({"rank": "1"}, "expected int"),
        ({"rank": True}, "expected int"),
        ({"init": "dead"}, "expected live|paper"),
        ({"rank": 0}, "at least 1"),
        ({"rank": None}, "expected int"),
    ],
)
def test_json_of_another_shape_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError) as error:
        from_json(Config, {**to_json(Config()), **change})
    assert words in str(error.value)


def test_json_never_falls_back_to_a_default() -> None:
    values = to_json(Config())
    del values["gain"]
    with pytest.raises(OptionError, match="'gain' is missing"):
        from_json(Config, values)


def test_a_whole_number_is_a_float_where_a_float_is_meant() -> None:
    assert type(from_json(NeedsRank, {"rank": 1, "gain": 2}).gain) is float


def test_options_describe_themselves() -> None:
    assert describe(Config)[0] == Field("rank", "int", 1, "Rank of each factor.")
    assert [field.type for field in describe(Config)][2:] == ["true|false", "str", "live|paper", "int|none", "1|3|none"]
    assert describe(NeedsRank)[0].default is MISSING
    assert describe(Config(rank=7))[0].default == 7


def test_a_type_that_text_cannot_spell_is_the_authors_mistake() -> None:
    @dataclass(frozen=True)
    class Odd:
        sizes: list[int]

    with pytest.raises(UnsupportedTypeError, match=r"list\[int\]"):
        parse(Odd, [])


def test_fields_of_a_nested_dataclass_are_named_with_a_dot_and_json_nests() -> None:
    config = parse(Nested, ["seeking.weight=3", "steps=2"])
    assert config == Nested(2, Inner(3.0))
    assert to_json(config) == {"steps": 2, "seeking": {"weight": 3.0, "pairs": "members"}}
    assert from_json(Nested, to_json(config)) == config
    assert flat(to_json(config)) == {"steps": 2, "seeking.weight": 3.0, "seeking.pairs": "members"}
    assert changed(config, {"seeking.pairs": "first"}) == Nested(2, Inner(3.0, "first"))
    assert [one.name for one in describe(config)] == ["steps", "seeking.weight", "seeking.pairs"]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("weight=3", "did you mean 'seeking.weight'?"),
        ("seeking.wieght=3", "did you mean 'seeking.weight'?"),
        ("seeking.pairs=all", "option seeking.pairs='all': expected members|first"),
        ("seeking=3", "unknown option 'seeking'"),
    ],
)
def test_a_mistake_in_a_nested_name_or_value_is_named(pair: str, words: str) -> None:
    with pytest.raises(OptionError) as error:
        parse(Nested, [pair])
    assert words in str(error.value)
