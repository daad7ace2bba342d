"""Reads files of one JSON object a line; a last line that was torn by a crash is left out."""

import json
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError


class DamagedLinesError(LfsganError):
    """A line that this program did not write."""

    def __init__(self, path: Path, number: int, expected: str) -> None:
        super().__init__(f"{str(path)!r}, line {number}: expected {expected}; mend or delete that line")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file in order; none where there is no file. DamagedLinesError names the line."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    whole = [(number, line) for number, line in enumerate(lines, start=1) if line.endswith("\n") and line.strip()]
    return [_object(path, number, line) for number, line in whole]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a whole file is; empty where there is no file."""
    return _object(path, 1, path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def _object(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DamagedLinesError(path, number, "a JSON object")
    return found
