"""Strict JSON and TOML from untrusted files: values, whole files, and files with one object a line.

Whatever would fail later is refused at once: repeated names, deep nesting, huge numbers, text that UTF-8 cannot hold.
"""

import json
import math
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import read_plain

DEEPEST = 32  # lists and objects inside each other; the deepest that we write has five
MOST_DOTS = 100  # in a line of TOML: Python's reader takes time with the square of the depth of nested tables
LARGEST = 2**63  # whole numbers are below it, as in every other language
MOST_BYTES = 18_000_000  # of a file; in memory, JSON takes up to twenty-five times its size


class DamagedLinesError(LfsganError):
    """A line that this program did not write."""

    def __init__(self, path: Path, number: int, expected: str) -> None:
        super().__init__(f"{str(path)!r}, line {number}: expected {expected}; repair or delete that line")


class UnreadableLinesError(LfsganError):
    """A JSON file that cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot read {str(path)!r}: {error.strerror or error}; put a whole copy there, or remove it")


def loads(text: str | bytes) -> Any:
    """The value that `text` (bytes: UTF-8) spells, as `loads_lenient` reads it, every number finite; ValueError."""
    found = loads_lenient(text)
    for value in _each(found):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"the number {value}")
    return found


def loads_lenient(text: str | bytes) -> Any:
    """The value that `text` spells; numbers may be infinite or NaN, as in logs.

    Raises ValueError for what is no JSON, a name given twice, nesting beyond `DEEPEST`, whole numbers beyond
    `LARGEST`, and text that UTF-8 cannot hold.
    """
    try:
        found = json.loads(text.decode() if isinstance(text, bytes) else text, object_pairs_hook=_unique_names)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check(found)
    return found


def loads_toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML file; ValueError for what is no TOML, and for what `loads_lenient` refuses."""
    if max(line.count(b".") for line in content.split(b"\n")) > MOST_DOTS:
        raise ValueError(f"a line has more than {MOST_DOTS} dots")
    try:
        found = tomllib.loads(content.decode())
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


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("something is named twice")
    return entries


def _each(found: Any) -> Iterator[Any]:
    """Every name, text and number in a document; ValueError where it is nested too deeply."""
    opened: list[Iterator[Any]] = [iter((found,))]
    while opened:
        for value in opened[-1]:
            if isinstance(value, dict | list):
                if len(opened) > DEEPEST:
                    raise ValueError("nested too deeply")
                opened.append(iter(value) if isinstance(value, list) else chain(value, value.values()))
                break
            yield value
        else:
            opened.pop()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object a line, in order; empty where there is no file.

    A last line without its end, torn by a crash, is left out. DamagedLinesError names the line.
    """
    if not path.is_file():
        return []
    whole = _content(path).split("\n")[:-1]
    return [_object(path, number, line) for number, line in enumerate(whole, start=1) if line.strip()]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a whole file is; empty where there is no file."""
    return _object(path, 1, _content(path)) if path.is_file() else {}


def _content(path: Path) -> str:
    try:
        return read_plain(path, MOST_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise UnreadableLinesError(path, error) from error


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        found = loads_lenient(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DamagedLinesError(path, number, "a JSON object")
    return found
