"""Running a benchmark from wherever it stands to its end; a signal stops it, and what is finished is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.benchmark import Benchmark, Step
from lfsgan_cli.jobs.benchmark_learning import job_of, learn, passed_by
from lfsgan_cli.jobs.benchmark_measuring import StepMeasuring
from lfsgan_cli.jobs.interrupt import StopRequest, stop_on_signals
from lfsgan_cli.jobs.learning import Learner
from lfsgan_cli.jobs.looking import Seen
from lfsgan_cli.locks import hold_tasks
from lfsgan_cli.training.phases import Step as TrainingStep

Stepped: TypeAlias = Callable[[TrainingStep], None]


class StoppedBenchmarkError(LfsganError):
    """Told to stop between two steps of training: nothing there needs to be kept."""

    label = ""  # nothing went wrong

    def __init__(self, resume: str) -> None:
        super().__init__(f"Stopped; all finished steps are kept, go on with: {resume}")


class InterruptedBenchmarkError(StoppedBenchmarkError):
    """Stopped by Ctrl-C."""

    status = 128 + signal.SIGINT


class TerminatedBenchmarkError(StoppedBenchmarkError):
    """Stopped by SIGTERM."""

    status = 128 + signal.SIGTERM


_STOPPED = {signal.SIGINT: InterruptedBenchmarkError, signal.SIGTERM: TerminatedBenchmarkError}


class Watcher(Protocol):
    """Is told how far the work is."""

    def learning(self, step: Step, learner: Learner) -> AbstractContextManager[Stepped]:
        """A task is being learned; what the block is given is told of every step of training."""

    def measuring(self, step: Step, pictures: int) -> AbstractContextManager[Seen]:
        """So many pictures are being looked at."""

    def finished(self, step: Step) -> None:
        """The step's line is written."""


def run(benchmark: Benchmark, todo: Sequence[Step], watcher: Watcher, resume: str) -> None:
    """Do the steps, each to its line in `runs.jsonl`. resume: the command that goes on.

    Raises StoppedRunError and StoppedBenchmarkError after SIGINT or SIGTERM.
    """
    benchmark.begin()
    with stop_on_signals() as request:
        for step in todo:
            stop, shorter = _Stop(request, resume), [other for other in todo if step.passes(other)]
            with hold_tasks(benchmark.root(step), step.task.name):
                _learn(benchmark, step, shorter, watcher, stop)
                _measure(benchmark, step, watcher, stop)
            watcher.finished(step)


class _Stop:
    def __init__(self, request: StopRequest, resume: str) -> None:
        self.request, self.resume = request, resume

    def check(self) -> None:
        if self.request.signal is not None:
            raise _STOPPED[self.request.signal](self.resume)


def _learn(benchmark: Benchmark, step: Step, shorter: Sequence[Step], watcher: Watcher, stop: _Stop) -> None:
    job = job_of(benchmark, step)
    stop.check()
    if job is None:
        return
    passed = passed_by(benchmark, job, shorter)
    learner = Learner(job, benchmark.device)
    stop.check()
    with watcher.learning(step, learner) as stepped:
        for training_step in learn(learner, passed, stop.resume):
            stepped(training_step)
    stop.check()


def _measure(benchmark: Benchmark, step: Step, watcher: Watcher, stop: _Stop) -> None:
    measuring = StepMeasuring(benchmark, step)
    with watcher.measuring(step, measuring.pictures()) as seen:

        def looked(count: int) -> None:
            seen(count)
            stop.check()

        line = measuring.run(looked)
    benchmark.lines.append(line)
    stop.check()
