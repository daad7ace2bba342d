"""Shows how far a long piece of work is: a live bar on a terminal, a plain line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from lfsgan_cli import console
from lfsgan_cli.wording import one_line

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
    if console.is_quiet():
        yield _ignore
    elif console.err().is_terminal and not console.err().is_dumb_terminal:
        with _bar(title, total, done, unit) as advance:
            yield advance
    else:
        yield _Log(title, total, done, unit, every)


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
            console.say(self._line(now - self._start, self._note))

    def _line(self, seconds: float, note: str) -> str:
        rate = (self._done - self._started_at) / max(seconds, 1e-9)
        left = (self._total - self._done) / rate if rate else float("inf")
        amount = f"{self._done:,}/{self._total:,} {self._unit}".rstrip()
        parts = [f"{self._title}: {amount}", f"{rate:.3g}/s", f"{_duration(left)} left", note]
        return one_line(", ".join(part for part in parts if part))


@contextmanager
def _bar(title: str, total: int, done: int, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit} {{task.fields[speed]}}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console.err()) as bar:
        task = bar.add_task(one_line(title), total=total, completed=done, note="", speed="")

        def advance(amount: int = 1, note: str | None = None) -> None:
            speed = bar.tasks[0].speed
            shown: dict[str, Any] = {} if note is None else {"note": one_line(note)}
            bar.update(task, advance=amount, speed=f"{speed:.3g}/s" if speed else "", **shown)

        yield advance


def _ignore(amount: int = 1, note: str | None = None) -> None:
    """Progress that nobody wants to see."""


def _duration(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
