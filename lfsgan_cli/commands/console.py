"""Speaks to the user: data goes to stdout, all else to stderr, and no name reaches the terminal with escapes in it."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import typer

from lfsgan_cli.errors import one_line, printable, printable_lines

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
    bar = False  # whether a progress bar is on the terminal


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
    if _State.bar:
        err().print(printable_lines(text), soft_wrap=True)  # above the bar
    else:
        typer.echo(printable_lines(text), err=True)


# Shows how far a long piece of work is: a live bar on a terminal, a plain line now and then in a log.


EVERY = 10.0  # seconds between two plain lines


class Advance(Protocol):
    """Tells that some more is done; `note` (losses, say) is shown beside it until the next one comes."""

    def __call__(self, amount: int = 1, note: str | None = None) -> None:
        """Count `amount` pieces more; without a new note the last one stays."""


@contextmanager
def progress(title: str, total: int, *, done: int = 0, unit: str = "", every: float = EVERY) -> Iterator[Advance]:
    """Show the progress of `total` pieces, `done` of which an earlier run finished, on stderr while the block runs.

    unit: what is counted, in the plural. every: seconds between the lines where there is no terminal. Under `--quiet`
    nothing is shown.
    """
    if is_quiet():
        yield _ignore
    elif err().is_terminal and not err().is_dumb_terminal:
        with _bar(title, total, done, unit) as advance:
            yield advance
    else:
        yield _Log(title, total, done, unit, every)


@contextmanager
def live_table(title: str, headings: Sequence[str]) -> Iterator[Any]:
    """A table on the terminal that changes while the block runs: call what is yielded with its title and its rows.

    None is yielded where there is no terminal, and under `--quiet`.
    """
    if is_quiet() or not err().is_terminal or err().is_dumb_terminal:
        yield None
        return
    from rich.live import Live
    from rich.table import Table

    def show(title: str, rows: Iterable[Sequence[object]]) -> None:
        grid = Table(*headings, title=one_line(title), title_justify="left", box=None, pad_edge=False)
        for row in rows:
            grid.add_row(*map(_cell, row))
        shown.update(grid)

    with Live(console=err(), transient=True, refresh_per_second=4) as shown:
        show(title, [])
        _State.bar = True
        try:
            yield show
        finally:
            _State.bar = False


class _Log:
    def __init__(self, title: str, total: int, done: int, unit: str, every: float) -> None:
        self._title, self._total, self._unit, self._every = title, total, unit, every
        self._started_at, self._done = done, done
        self._start = self._said = time.monotonic()
        self._note = ""

    def __call__(self, amount: int = 1, note: str | None = None) -> None:
        self._done += amount
        self._note = self._note if note is None else note
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            say(self._line(now - self._start, self._note))

    def _line(self, seconds: float, note: str) -> str:
        rate = (self._done - self._started_at) / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        amount = f"{self._done:,}/{self._total:,} {self._unit}".rstrip()
        parts = [f"{self._title}: {amount}", f"{rate:.3g}/s", f"{clock(left)} left", note]
        return one_line(", ".join(part for part in parts if part))


_WIDE, _BAR = 100, 40  # characters


@contextmanager
def _bar(title: str, total: int, done: int, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(None if err().width < _WIDE else _BAR),  # None: what the others leave
        MofNCompleteColumn(),
        TextColumn(f"{unit} {{task.fields[speed]}}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=err()) as bar:
        task = bar.add_task(one_line(title), total=total, completed=done, note="", speed="")

        def advance(amount: int = 1, note: str | None = None) -> None:
            speed = bar.tasks[0].speed
            shown: dict[str, Any] = {} if note is None else {"note": one_line(note)}
            bar.update(task, advance=amount, speed=f"{speed:.3g}/s" if speed else "", **shown)

        with messages_above():
            yield advance


@contextmanager
def messages_above() -> Iterator[None]:
    """While the block runs, messages are printed above what is drawn at the bottom of the terminal."""
    _State.bar = True
    try:
        yield
    finally:
        _State.bar = False


def can_draw(columns: int, lines: int) -> bool:
    """Whether stderr is a terminal of that size at least that shows 256 colours and block characters."""
    console = err()
    drawn = console.is_terminal and not (is_quiet() or console.is_dumb_terminal or console.legacy_windows)
    coloured = console.color_system in {"256", "truecolor"} and not console.no_color
    large = console.width >= columns and console.height >= lines
    return drawn and coloured and large and console.encoding.startswith("utf")


def _ignore(amount: int = 1, note: str | None = None) -> None:
    """Progress that nobody wants to see."""


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as `1:02:03`; `unknown time` for infinity."""
    if seconds == float("inf"):
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_LOSSES = {"g": "G", "d": "D"}


def losses_line(losses: Any) -> str:
    """The losses of a step: those of generator and discriminator, where it has them; all are in `stats.jsonl`."""
    shown = {label: losses[name] for name, label in _LOSSES.items() if name in losses} or losses
    return " ".join(["loss", *(f"{label} {float(loss):.2f}" for label, loss in shown.items())])


DEBUG = "lfsgan.debug"  # where a context notes that `--debug` was given, before the subcommand or after
