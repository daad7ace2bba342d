"""The types that an option may have: how each is spelled, read from text and checked."""

import math
import types
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from lfsgan_cli.errors import LfsganError

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
