"""Reads `key=value` pairs and JSON into a frozen dataclass, describes what that dataclass takes; lists of seeds."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

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
        names = {name.rpartition(".")[2]: name for name in known}  # a nested one is often named without its section
        near = [names[last] for last in get_close_matches(key, names, n=1)]
        super().__init__(f"unknown option {quoted(key)}; the known ones are: {choices(known, *near or [key])}")


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
    return build(config, values(config, pairs))


def values(config: type, pairs: Iterable[str]) -> dict[str, Any]:
    """The values that `key=value` pairs name, each right by itself; OptionError in one line otherwise.

    A field of a nested dataclass is named with a dot: `anchors.weight=30`.
    """
    types = _types(config)
    read: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals:
            raise OptionSyntaxError(pair, types)
        if key in read:
            raise RepeatedOptionError(key)
        read[key] = _checked(key, text, types, OptionType.read)
    return read


def build(config: type[C], values: Mapping[str, Any]) -> C:
    """The configuration with values as `values` returns them, defaults for the rest; OptionError in one line."""
    for field in describe(config):
        if field.default is MISSING and field.name not in values:
            raise MissingOptionError(field.name, field.type)
    return _constructed(config, None, values)


def changed(config: C, values: Mapping[str, Any]) -> C:
    """A copy of a configuration with other values for some fields, named as in `values`; OptionError in one line."""
    return _constructed(type(config), config, values)


def describe(config: Any) -> list[Field]:
    """The options of a dataclass or of an instance of it (then with its values as defaults), in their order."""
    hints = _hints(config if isinstance(config, type) else type(config))
    described: list[Field] = []
    for field in fields(config):
        hint, default = hints[field.name], _default(config, field)
        if is_dataclass(hint):
            inner = describe(hint if default is MISSING else default)
            described += [replace(each, name=f"{field.name}.{each.name}") for each in inner]
        elif field.init:
            described.append(Field(field.name, str(option_type(hint)), default, _help(hint)))
    return described


def to_json(config: Any) -> dict[str, Any]:
    """All values under their names, nested as the dataclass is, ready for JSON; `from_json` is the way back."""
    types = _types(type(config))
    return {
        field.name: to_json(value)
        if is_dataclass(value := getattr(config, field.name))
        else _checked(field.name, value, types, OptionType.check)
        for field in fields(config)
        if field.init
    }


def from_json(config: type[C], document: Mapping[str, Any]) -> C:
    """The configuration that `to_json` wrote; a missing key is refused like an unknown one: defaults may change."""
    types, given = _types(config), flat(document)
    read = {key: _checked(key, value, types, OptionType.check) for key, value in given.items()}
    for key, kind in types.items():
        if key not in read:
            raise MissingOptionError(key, str(kind))
    return build(config, read)


def flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """Nested JSON objects or TOML tables as one, under dotted names."""
    named: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            named |= {f"{key}.{inner}": each for inner, each in flat(value).items()}
        else:
            named[key] = value
    return named


def _constructed(config: type[C], start: C | None, values: Mapping[str, Any]) -> C:
    """start: where the values that are not named come from; None is the defaults."""
    types = _types(config)
    for key in values:
        if key not in types:
            raise UnknownOptionError(key, types)
    try:
        return cast("C", _filled(config, start, values))
    except ValueError as error:
        raise RefusedConfigError(values, error) from error


def _filled(config: Any, start: Any, values: Mapping[str, Any]) -> Any:
    given: dict[str, Any] = {}
    hints = _hints(config)
    for field in fields(config):
        if is_dataclass(hints[field.name]):
            inside = f"{field.name}."
            inner = {key.removeprefix(inside): value for key, value in values.items() if key.startswith(inside)}
            given[field.name] = _filled(hints[field.name], start and getattr(start, field.name), inner)
        elif field.name in values:
            given[field.name] = values[field.name]
        elif start is not None and field.init:
            given[field.name] = getattr(start, field.name)
    return config(**given)


def _checked(key: str, value: Any, types: Mapping[str, OptionType], read: Callable[[OptionType, Any], Any]) -> Any:
    if key not in types:
        raise UnknownOptionError(key, types)
    try:
        return read(types[key], value)
    except (ValueError, OverflowError) as error:
        raise OptionValueError(key, value, str(types[key])) from error


def _types(config: type) -> dict[str, OptionType]:
    """The type of every option by its dotted name."""
    types: dict[str, OptionType] = {}
    hints = _hints(config)
    for field in fields(config):
        hint = hints[field.name]
        if is_dataclass(hint):
            types |= {f"{field.name}.{inner}": kind for inner, kind in _types(cast("type", hint)).items()}
        elif field.init:
            types[field.name] = option_type(hint)
    return types


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
            raise SeedsError(text, f"more than {MOST:,} images at once")
        seeds.update(dict.fromkeys(range(first, last + 1)))
        if len(seeds) > MOST:
            raise SeedsError(text, f"more than {MOST:,} images at once")
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
