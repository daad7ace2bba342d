"""Speaks to the user: data goes to stdout, all else to stderr, and no name reaches the terminal with escapes in it."""

import json
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

from lfsgan_cli.wording import printable, printable_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPE_WIDTH = 1000  # columns; what is piped is not wrapped


class Verbosity(IntEnum):
    """How much is said on stderr."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class _State:
    """A process has one terminal, so there is one of this."""

    verbosity = Verbosity.NORMAL


def set_verbosity(verbosity: Verbosity) -> None:
    """Say less or more from now on."""
    _State.verbosity = verbosity


def is_quiet() -> bool:
    """Whether the user asked for errors and warnings only."""
    return _State.verbosity == Verbosity.QUIET


def say(text: str) -> None:
    """Tell the user something, unless they asked for quiet."""
    if _State.verbosity >= Verbosity.NORMAL:
        _to_stderr(text)


def detail(text: str) -> None:
    """Tell what only matters to those who asked for more with `-v`."""
    if _State.verbosity >= Verbosity.VERBOSE:
        _to_stderr(text)


def warn(text: str) -> None:
    """Tell what the user must know, even if they asked for quiet."""
    _to_stderr(f"Warning: {text}")


def print_json(document: Any) -> None:
    """The one document that `--json` promises, on stdout; its keys are sorted, and all but ASCII is escaped."""
    typer.echo(json.dumps(document, indent=2, sort_keys=True, allow_nan=False))


def print_text(text: str) -> None:
    """One or more lines of data on stdout."""
    typer.echo(printable_lines(text))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout: numbers to the right, columns as wide as they need, without rules."""
    from rich.table import Table

    content = list(rows)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        numbers = bool(content) and all(isinstance(row[index], int | float) for row in content)
        grid.add_column(printable(heading), justify="right" if numbers else "left", overflow="fold")
    for row in content:
        grid.add_row(*map(_cell, row))
    _print_grid(grid)


@cache
def out() -> "Console":
    """The console for data."""
    return _console(stderr=False)


@cache
def err() -> "Console":
    """The console for progress and diagnostics."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _print_grid(grid: "Table") -> None:
    if out().is_terminal:
        out().print(grid)
        return
    with out().capture() as capture:
        out().print(grid)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())  # Rich fills the last column with spaces


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value))


def _to_stderr(text: str) -> None:
    typer.echo(printable_lines(text), err=True)
