"""Reads `-o key=value` pairs and JSON into a frozen dataclass, and describes what that dataclass takes."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lfsgan_cli.errors import LfsganError, choices, quoted

# The types that an option may have: how each is spelled, read from text and checked.


NONE = "none"
_BOOLS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SPELLED = {int: "int", float: "float", bool: "true|false", str: "str"}


class UnsupportedTypeError(LfsganError):
    """A configuration asks for a type that cannot be written as `key=value`."""

    def __init__(self, annotation: object) -> None:
        super().__init__(
            f"option type {annotation!r} is not supported; the author of the adapter may use "
            "int, float, bool, str, Literal, or one of these or None"
        )


@dataclass(frozen=True)
class OptionType:
    """One of int, float, bool, str, or a closed set of choices; perhaps None as well. `str()` spells it for people."""

    scalar: type | None
    choices: tuple[Any, ...] = ()
    optional: bool = False

    def __str__(self) -> str:
        names = [_SPELLED[self.scalar]] if self.scalar else [spell(choice) for choice in self.choices]
        return "|".join([*names, NONE] if self.optional else names)

    def read(self, text: str) -> Any:
        """The value that `text` spells; ValueError if it spells none. `none` is None wherever None is allowed."""
        if self.optional and text.strip().lower() == NONE:
            return None
        if self.scalar is str:
            return text
        return self._read_word(text.strip())

    def check(self, value: Any) -> Any:
        """`value` as read from JSON, a whole number widened where a float is meant; ValueError for another type."""
        if value is None and self.optional:
            return None
        if self.scalar is float and type(value) is int:
            value = float(value)
        if type(value) is self.scalar or self._is_choice(value):
            return _finite(value)
        raise ValueError(value)

    def _read_word(self, word: str) -> Any:
        if self.scalar is bool:
            return _look_up(_BOOLS, word.lower())
        if self.scalar is not None:
            return _finite(self.scalar(word))
        return _look_up({spell(choice): choice for choice in self.choices}, word)

    def _is_choice(self, value: Any) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in self.choices)


def option_type(annotation: Any) -> OptionType:
    """The type that a field's annotation stands for; UnsupportedTypeError if no text can spell its values."""
    match get_origin(annotation):
        case None if annotation in _SPELLED:
            return OptionType(annotation)
        case origin if origin is Annotated:
            return option_type(get_args(annotation)[0])
        case origin if origin is Literal:
            return OptionType(None, get_args(annotation))
        case origin if origin in (Union, types.UnionType):
            return _optional(annotation)
        case _:
            raise UnsupportedTypeError(annotation)


def spell(value: object) -> str:
    """The text that `OptionType.read` turns back into `value`."""
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _optional(annotation: Any) -> OptionType:
    members = [member for member in get_args(annotation) if member is not types.NoneType]
    if len(members) != 1:
        raise UnsupportedTypeError(annotation)
    inner = option_type(members[0])
    return OptionType(inner.scalar, inner.choices, optional=True)


def _look_up(values: dict[str, Any], word: str) -> Any:
    if word not in values:
        raise ValueError(word)
    return values[word]


def _finite(value: Any) -> Any:
    # JSON, and so a task's file, has no word for infinity.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(value)
    return value


C = TypeVar("C")


class OptionError(LfsganError):
    """A value that a configuration does not take."""


class OptionSyntaxError(OptionError):
    """A pair without an equals sign."""

    def __init__(self, pair: str, known: Iterable[str]) -> None:
        super().__init__(f"option {quoted(pair)}: expected key=value; the known keys are: {choices(known)}")


class UnknownOptionError(OptionError):
    """A key that the configuration does not have."""

    def __init__(self, key: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown option {quoted(key)}; the known ones are: {choices(known, key)}")


class RepeatedOptionError(OptionError):
    """A key that is given twice."""

    def __init__(self, key: str) -> None:
        super().__init__(f"option {quoted(key)} is given twice; expected once, so leave one out")


class MissingOptionError(OptionError):
    """A key without a default that is not given."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(f"option {key!r} is missing; expected {key}={expected}")


class OptionValueError(OptionError):
    """A value of the wrong type, or none of the choices."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"option {key}={quoted(value)}: expected {expected}")


class RefusedConfigError(OptionError):
    """Values that are right one by one, and that the configuration itself refuses."""

    def __init__(self, values: Mapping[str, object], reason: object) -> None:
        given = ", ".join(f"{key}={spell(value)}" for key, value in values.items()) or "defaults"
        super().__init__(f"{reason} (with the options {given})")


@dataclass(frozen=True)
class Field:
    """One option: its type as people spell it, its default (`dataclasses.MISSING` where there is none), its help."""

    name: str
    type: str
    default: Any
    help: str


def parse(config: type[C], pairs: Iterable[str]) -> C:
    """The configuration that `key=value` pairs describe, defaults for the rest; OptionError in one line otherwise."""
    return _build(config, _types(config), _texts(config, pairs), OptionType.read)


def values(config: type, pairs: Iterable[str]) -> dict[str, Any]:
    """The values that `key=value` pairs name, each right by itself; OptionError in one line otherwise."""
    types = _types(config)
    return {key: _checked(key, text, types[key], OptionType.read) for key, text in _texts(config, pairs).items()}


def describe(config: Any) -> list[Field]:
    """The options of a dataclass or of an instance of it (then with its values as defaults), in their order."""
    hints = _hints(config if isinstance(config, type) else type(config))
    return [
        Field(field.name, str(option_type(hints[field.name])), _default(config, field), _help(hints[field.name]))
        for field in fields(config)
        if field.init
    ]


def to_json(config: Any) -> dict[str, Any]:
    """All values under their names, ready for JSON; `from_json` is the way back."""
    types = _types(type(config))
    return {key: _checked(key, getattr(config, key), kind, OptionType.check) for key, kind in types.items()}


def from_json(config: type[C], values: Mapping[str, Any]) -> C:
    """The configuration that `to_json` wrote; a missing key is refused like an unknown one: defaults may change."""
    types = _types(config)
    for key, kind in types.items():
        if key not in values:
            raise MissingOptionError(key, str(kind))
    return _build(config, types, values, OptionType.check)


def _build(
    config: type[C], types: Mapping[str, OptionType], raw: Mapping[str, Any], read: Callable[[OptionType, Any], Any]
) -> C:
    for key in raw:
        if key not in types:
            raise UnknownOptionError(key, types)
    values = {key: _checked(key, value, types[key], read) for key, value in raw.items()}
    for field in describe(config):
        if field.default is MISSING and field.name not in values:
            raise MissingOptionError(field.name, field.type)
    try:
        return config(**values)
    except ValueError as error:
        raise RefusedConfigError(values, error) from error


def _checked(key: str, value: Any, kind: OptionType, read: Callable[[OptionType, Any], Any]) -> Any:
    try:
        return read(kind, value)
    except (ValueError, OverflowError) as error:
        raise OptionValueError(key, value, str(kind)) from error


def _texts(config: type, pairs: Iterable[str]) -> dict[str, str]:
    types = _types(config)
    texts: dict[str, str] = {}
    for pair in pairs:
        key, text = _split(pair, types)
        if key in texts:
            raise RepeatedOptionError(key)
        if key not in types:
            raise UnknownOptionError(key, types)
        texts[key] = text
    return texts


def _split(pair: str, known: Iterable[str]) -> tuple[str, str]:
    key, equals, text = pair.partition("=")
    if not equals:
        raise OptionSyntaxError(pair, known)
    return key.strip(), text


def _types(config: type) -> dict[str, OptionType]:
    hints = _hints(config)
    return {field.name: option_type(hints[field.name]) for field in fields(config) if field.init}


def _hints(config: type) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


def _help(annotation: Any) -> str:
    notes = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((note for note in notes if isinstance(note, str)), "")


def _default(config: Any, field: Any) -> Any:
    if not isinstance(config, type):
        return getattr(config, field.name)
    return field.default if field.default_factory is MISSING else field.default_factory()


# Seeds: the largest there is, and lists of them as users write them, `0-63,70` (no torch).


LARGEST = 2**32 - 1  # of numpy's RandomState
MOST = 1_000_000


class SeedsError(LfsganError):
    """Seeds that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"seeds {text!r}: {reason}; expected numbers and ranges such as 0-63,70")


def parse_seeds(text: str) -> list[int]:
    """The seeds in the order given, each once."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, last = _ends(text, part.strip())
        # Before the range is laid out: a long one would fill the memory first.
        if last - first >= MOST:
            raise SeedsError(text, f"more than {MOST:,} pictures at once")
        seeds.update(dict.fromkeys(range(first, last + 1)))
        if len(seeds) > MOST:
            raise SeedsError(text, f"more than {MOST:,} pictures at once")
    return list(seeds)


def _ends(text: str, part: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
    if not match:
        raise SeedsError(text, f"{part!r} is neither a number nor a range")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise SeedsError(text, f"{part!r} runs backwards")
    if last > LARGEST:
        raise SeedsError(text, f"{last} is larger than {LARGEST}")
    return first, last
