"""Reads the TOML of a suite, which may be anybody's: bounded in size, nesting and numbers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lfsgan_cli import strictjson
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.tomltable import SuiteError
from lfsgan_cli.plainfile import read_plain
from lfsgan_cli.wording import one_line

MOST_BYTES = 1 << 20
MOST_DOTS = 100  # in a line: Python's reader takes time with the square of the tables within one another
LONGEST = 200  # characters of what it says


class NoSuiteError(LfsganError):
    """A file that is not there, or cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"no suite at {str(path)!r}: {reason}; expected a TOML file as in examples/benchmarks")


def read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    """A suite's bytes, and what they say; NoSuiteError, or SuiteError for what is not TOML or no suite's."""
    try:
        content = read_plain(path, MOST_BYTES)
    except OSError as error:
        raise NoSuiteError(path, error.strerror or "it cannot be read") from error
    return content, _parsed(path, content)


def exists(path: Path) -> bool:
    """Whether something is there; a name that no file can have is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    if max(line.count(b".") for line in content.split(b"\n")) > MOST_DOTS:
        raise SuiteError(path, f"expected TOML as in examples/benchmarks, and a line has more than {MOST_DOTS} dots")
    try:
        document = tomllib.loads(content.decode("utf-8"))
        strictjson.check(document)
    except (ValueError, RecursionError) as error:
        raise SuiteError(path, f"expected TOML, and it is none: {one_line(str(error))[:LONGEST]}") from error
    return document
