"""Ctrl-C and SIGTERM during training: finish the step, keep the state, then end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lfsgan_cli.errors import LfsganError


class StoppedRunError(LfsganError):
    """A run that was told to stop, and kept its state."""

    label = ""  # nothing went wrong

    def __init__(self, done: int, total: int, resume: str) -> None:
        super().__init__(f"Stopped after step {done:,} of {total:,}; everything is kept, go on with: {resume}")


class InterruptedRunError(StoppedRunError):
    """Stopped by Ctrl-C."""

    status = 128 + signal.SIGINT


class TerminatedRunError(StoppedRunError):
    """Stopped by SIGTERM."""

    status = 128 + signal.SIGTERM


STOPPED = {signal.SIGINT: InterruptedRunError, signal.SIGTERM: TerminatedRunError}


class StopRequest:
    """Whether a signal asked to stop, and which."""

    signal: signal.Signals | None = None

    def ask(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal; a second one ends at once."""
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """SIGINT and SIGTERM only ask while the block runs."""
    request = StopRequest()
    with _handled_by(request.ask):
        yield request


@contextmanager
def stop_at_once(total: int, resume: str) -> Iterator[None]:
    """SIGINT and SIGTERM end the block with StoppedRunError: all steps are done and kept, the rest can be redone."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise STOPPED[signal.Signals(number)](total, total, resume)

    with _handled_by(end):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = [signal.signal(number, handler) for number in STOPPED]
    try:
        yield
    finally:
        for number, earlier in zip(STOPPED, before, strict=True):
            signal.signal(number, earlier)
