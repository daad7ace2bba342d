"""Reads `-o key=value` pairs and JSON into a frozen dataclass, and describes what that dataclass takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.option_types import OptionType, option_type, spell
from lfsgan_cli.wording import choices, quoted

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
