"""A training run that outlives its process: state kept now and then, signals heeded, a log and pictures on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import FileWriteError
from lfsgan_cli.runs.folder import RunFolder, Stopwatch
from lfsgan_cli.runs.health import DivergedRunError, diverged_loss, enough_memory
from lfsgan_cli.training.loop import Step, TrainingLoop

LOG_EVERY = 10  # steps; looking at losses more often would make a GPU wait


class UnwritableRunError(LfsganError):
    """A run whose folder takes nothing more; its kept states are whole."""

    def __init__(self, cause: FileWriteError, resume: str) -> None:
        super().__init__(f"{cause}; go on, once it can be written, with: {resume}")


@dataclass(frozen=True)
class CheckpointPolicy:
    """How a run is kept.

    save_every: seconds between two states. resume: the command that goes on. picture: draws what was learned so far,
    given the number of finished steps; picture_every: steps between two of them. The last one is drawn by whoever
    finishes the run.
    """

    folder: RunFolder
    plan: Mapping[str, Any]
    save_every: float
    resume: str
    picture: Callable[[int], None]
    picture_every: int


def checkpointed(run: TrainingLoop, keeping: CheckpointPolicy) -> Iterator[Step]:
    """The run's steps, the last of them kept; StoppedRunError, with the state kept, when a signal asked to stop.

    DivergedRunError where losses are no numbers any more, OutOfMemoryRunError, UnwritableRunError; the states kept
    before stay.
    """
    watch, training = Stopwatch(), keeping.plan["training"]
    with stop_on_signals() as request, enough_memory(run, training, keeping.resume), _writable(keeping.resume):
        for step in run.steps():
            if step.done % LOG_EVERY == 0 or step.done == run.total:
                _log(step, keeping)
            yield step
            if step.done % keeping.picture_every == 0 and step.done < run.total:
                keeping.picture(step.done)
            if request.signal is not None:
                keeping.folder.save(run, keeping.plan)
                raise STOPPED[request.signal](step.done, run.total, keeping.resume)
            # The last one too: what remains to be done then takes a while, and may be interrupted as well.
            if watch.passed(keeping.save_every) or step.done == run.total:
                keeping.folder.save(run, keeping.plan)


@contextmanager
def _writable(resume: str) -> Iterator[None]:
    try:
        yield
    except FileWriteError as error:
        raise UnwritableRunError(error, resume) from error


def _log(step: Step, keeping: CheckpointPolicy) -> None:
    wrong = diverged_loss(step.losses)
    if wrong is not None:
        raise DivergedRunError(wrong, step.done, keeping.plan, keeping.folder.kept)
    keeping.folder.log(step)


# Ctrl-C and SIGTERM during training: finish the step, keep the state, then end.


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
