"""Reads files of one JSON object a line; a last line that was torn by a crash is left out."""

from pathlib import Path
from typing import Any

from lfsgan_cli import strictjson
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.plainfile import read_plain

MOST_BYTES = 18_000_000  # in memory, JSON takes up to twenty-five times its size in a file


class DamagedLinesError(LfsganError):
    """A line that this program did not write."""

    def __init__(self, path: Path, number: int, expected: str) -> None:
        super().__init__(f"{str(path)!r}, line {number}: expected {expected}; mend or delete that line")


class UnreadableLinesError(LfsganError):
    """A file of lines that cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot read {str(path)!r}: {error.strerror or error}; put a whole copy there, or remove it")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file in order; none where there is no file. DamagedLinesError names the line."""
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
        found = strictjson.loads_lenient(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DamagedLinesError(path, number, "a JSON object")
    return found
