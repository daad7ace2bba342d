"""Running a benchmark from wherever it stands to its end; a signal stops it, and what is finished is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeAlias

from lfsgan_cli import options
from lfsgan_cli.benchmark.measure import StepMeasuring
from lfsgan_cli.benchmark.plan import Benchmark, BenchmarkStep
from lfsgan_cli.benchmark.results import costs_path, spending
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import Progress
from lfsgan_cli.runs import plan
from lfsgan_cli.runs.folder import ChangedPlanError, RunFolder, Stopwatch
from lfsgan_cli.runs.learn_task import Learner
from lfsgan_cli.runs.plan import ChangedShotsError, OtherShotsError, OtherStartError, Repeated, TaskRun
from lfsgan_cli.runs.session import StopRequest, stop_on_signals
from lfsgan_cli.training.loop import Step as TrainingStep
from lfsgan_cli.workspace.checkpoint_file import UnusableStateError
from lfsgan_cli.workspace.locks import hold_tasks

Stepped: TypeAlias = Callable[[TrainingStep], None]


class StoppedBenchmarkError(LfsganError):
    """Told to stop between two steps of training: nothing there needs to be kept."""

    label = ""  # nothing went wrong

    def __init__(self, resume: str) -> None:
        super().__init__(f"Stopped; all finished steps are kept; resume with: {resume}")


class InterruptedBenchmarkError(StoppedBenchmarkError):
    """Stopped by Ctrl-C."""

    status = 128 + signal.SIGINT


class TerminatedBenchmarkError(StoppedBenchmarkError):
    """Stopped by SIGTERM."""

    status = 128 + signal.SIGTERM


_STOPPED = {signal.SIGINT: InterruptedBenchmarkError, signal.SIGTERM: TerminatedBenchmarkError}


class ProgressListener(Protocol):
    """Is told how far the work is."""

    def learning(self, step: BenchmarkStep, learner: Learner) -> AbstractContextManager[Stepped]:
        """A task is being learned; what the block is given is told of every step of training."""

    def measuring(self, step: BenchmarkStep, pictures: int) -> AbstractContextManager[Progress]:
        """So many pictures are being looked at."""

    def finished(self, step: BenchmarkStep) -> None:
        """The step's line is written."""


def run(benchmark: Benchmark, todo: Sequence[BenchmarkStep], watcher: ProgressListener, resume: str) -> None:
    """Do the steps, each to its line in `runs.jsonl`. resume: the command that goes on.

    Raises StoppedRunError and StoppedBenchmarkError after SIGINT or SIGTERM.
    """
    benchmark.begin()
    with stop_on_signals() as request:
        for step in todo:
            stop = _Stop(request, resume)
            with hold_tasks(benchmark.root(step), step.task.name):
                _learn(benchmark, step, watcher, stop)
                _measure(benchmark, step, watcher, stop)
            watcher.finished(step)


class _Stop:
    def __init__(self, request: StopRequest, resume: str) -> None:
        self.request, self.resume = request, resume

    def check(self) -> None:
        if self.request.signal is not None:
            raise _STOPPED[self.request.signal](self.resume)


def _learn(benchmark: Benchmark, step: BenchmarkStep, watcher: ProgressListener, stop: _Stop) -> None:
    job = job_of(benchmark, step)
    stop.check()
    if job is None:
        return
    learner = Learner(job, benchmark.device)
    stop.check()
    with watcher.learning(step, learner) as stepped:
        for training_step in learn(learner, stop.resume):
            stepped(training_step)
    stop.check()


def _measure(benchmark: Benchmark, step: BenchmarkStep, watcher: ProgressListener, stop: _Stop) -> None:
    measuring = StepMeasuring(benchmark, step)
    with watcher.measuring(step, measuring.pictures()) as seen:

        def looked(count: int) -> None:
            seen(count)
            stop.check()

        line = measuring.run(looked)
    benchmark.lines.append(line)
    stop.check()


# Learning a benchmark's tasks: each as `learn-task` would, going on wherever it was stopped.


SAVE_EVERY = 120.0  # seconds between two states, as for `learn-task`

_STALE = (ChangedPlanError, OtherShotsError, ChangedShotsError, OtherStartError, UnusableStateError)


class StaleTaskError(LfsganError):
    """A task in the benchmark's folder that is not the one that the suite asks for."""

    def __init__(self, root: Path, name: str, why: LfsganError) -> None:
        super().__init__(
            f"task {name!r} in {str(root)!r} was begun otherwise than the suite asks for now; remove that folder, or "
            f"pass another --out. learn-task says of it: {why}"
        )


def job_of(benchmark: Benchmark, step: BenchmarkStep) -> TaskRun | None:
    """What is to be learned in a step, from its start or from a kept state; None where it is learned already."""
    workspace, task = benchmark.workspace(step), step.task
    way = step.method.way.seeded(step.seed).resolved(benchmark.device, benchmark.base.network)
    said = {"adapter": way.adapter, "recipe": way.recipe}
    start = {} if step.init_from is None else {"init_from": step.init_from}
    repeated = Repeated(
        {**said, **start}, options.flat(way.training.to_json()), options.to_json(way.options), task.shots
    )
    try:
        if plan.is_learned(workspace, task.name):
            plan.check_learned(workspace, task.name, repeated)
            return None
        if RunFolder(workspace.task_run(task.name)).unfinished:
            return plan.resume_task(workspace, task.name, repeated)
    except _STALE as error:
        raise StaleTaskError(workspace.root, task.name, error) from error
    return plan.plan_task(workspace, task.shots, task.name, way, overwrite=False, init_from=step.init_from)


def learn(learner: Learner, resume: str) -> Iterator[TrainingStep]:
    """Train to the end and write the task; its costs are noted on the way. resume: the command that resumes."""
    watch, name = Stopwatch(), learner.job.plan.name
    with spending(costs_path(learner.job.workspace), name, learner.device):
        yield from learner.steps(save_every=SAVE_EVERY, resume_command=resume)
        learner.finish(watch.seconds)
