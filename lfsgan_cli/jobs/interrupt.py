"""Ctrl-C and SIGTERM during training: finish the step, keep the state, then end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
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
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, request.ask) for number in numbers]
    try:
        yield request
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
