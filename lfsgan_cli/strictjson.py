"""Reads JSON of strangers: whatever a reader would stumble over later is a ValueError at once."""

import json
import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

DEEPEST = 32  # lists and objects within one another; the deepest that we write has five
LARGEST = 2**63  # whole numbers lie below it, as in every other language


def loads(text: str | bytes) -> Any:
    """The value that `text` (bytes: UTF-8) spells, as `loads_lenient` reads it, every number finite; ValueError."""
    found = loads_lenient(text)
    for value in _each(found):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the number {value}")
    return found


def loads_lenient(text: str | bytes) -> Any:
    """The value that `text` spells, infinite ones and NaN among its numbers, as logs may hold them.

    Raises ValueError for what is no JSON, a name given twice, nesting beyond `DEEPEST`, whole numbers beyond
    `LARGEST`, and text that UTF-8 cannot hold.
    """
    try:
        found = json.loads(text.decode() if isinstance(text, bytes) else text, object_pairs_hook=_named_once)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check(found)
    return found


def check(found: Any) -> None:
    """ValueError where a document, of JSON or of another notation, holds what `loads_lenient` refuses."""
    for value in _each(found):
        if isinstance(value, str):
            value.encode()  # half a pair of surrogates can be spelled, but never be written
        elif isinstance(value, int) and abs(value) >= LARGEST:
            raise ValueError("a whole number of more than 63 bits")


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("something is named twice")
    return entries


def _each(found: Any) -> Iterator[Any]:
    """Every name, text and number in a document; ValueError where it is nested too deeply."""
    open_ones: list[Iterator[Any]] = [iter((found,))]
    while open_ones:
        for value in open_ones[-1]:
            if isinstance(value, dict | list):
                if len(open_ones) > DEEPEST:
                    raise ValueError("nested too deeply")
                open_ones.append(iter(value) if isinstance(value, list) else chain(value, value.values()))
                break
            yield value
        else:
            open_ones.pop()
