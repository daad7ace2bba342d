"""Runs the steps of a benchmark: learn, measure, write the line. A signal stops it, and a later run resumes it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeAlias

from lfsgan_cli import options
from lfsgan_cli.benchmark.measure import StepMeasuring, costs_path, spending
from lfsgan_cli.benchmark.plan import Benchmark, BenchmarkStep
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import Progress
from lfsgan_cli.runs import learn_task
from lfsgan_cli.runs.folder import RunFolder, Stopwatch
from lfsgan_cli.runs.learn_task import Learner, Repeated, TaskRun
from lfsgan_cli.runs.plan import (
    AlreadyPassedError,
    ChangedImagesError,
    ChangedPlanError,
    NoCheckpointError,
    OtherStartError,
)
from lfsgan_cli.runs.session import stop_on_signals
from lfsgan_cli.training.loop import Step as TrainingStep
from lfsgan_cli.workspace.checkpoint_file import UnusableStateError
from lfsgan_cli.workspace.locks import hold_tasks

Stepped: TypeAlias = Callable[[TrainingStep], None]

SAVE_EVERY = 120.0  # seconds between two checkpoints, as for `learn-task`
_STALE = (
    AlreadyPassedError, ChangedImagesError, ChangedPlanError, NoCheckpointError, OtherStartError, UnusableStateError,
)  # fmt: skip


class StoppedBenchmarkError(LfsganError):
    """Stopped between two steps of training, where no checkpoint is needed."""

    label = ""  # nothing went wrong

    def __init__(self, resume: str) -> None:
        super().__init__(f"Stopped; all finished steps are kept; resume with: {resume}")


class InterruptedBenchmarkError(StoppedBenchmarkError):
    """Stopped by Ctrl-C."""

    status = 128 + signal.SIGINT


class TerminatedBenchmarkError(StoppedBenchmarkError):
    """Stopped by SIGTERM."""

    status = 128 + signal.SIGTERM


_STOPPED = {signal.SIGINT: InterruptedBenchmarkError}  # any other signal terminates


class StaleTaskError(LfsganError):
    """A task in the benchmark's folder that is not the one that the suite asks for."""

    def __init__(self, root: Path, name: str, why: LfsganError) -> None:
        super().__init__(
            f"task {name!r} in {str(root)!r} was begun with other settings than the suite has now; remove that folder, "
            f"or pass another --out. learn-task says of it: {why}"
        )


class ProgressListener(Protocol):
    """Follows the progress of a benchmark."""

    def learning(self, step: BenchmarkStep, learner: Learner) -> AbstractContextManager[Stepped]:
        """A task is being learned; what the block gets is called after every step of training."""

    def measuring(self, step: BenchmarkStep, images: int) -> AbstractContextManager[Progress]:
        """So many images are being measured; what the block gets is called with the number of those done."""

    def finished(self, step: BenchmarkStep) -> None:
        """The step's line is written."""


def run(benchmark: Benchmark, todo: Sequence[BenchmarkStep], listener: ProgressListener, resume: str) -> None:
    """Do the steps, each to its line in `runs.jsonl`. resume: the command that resumes the benchmark.

    Raises StoppedRunError and StoppedBenchmarkError after SIGINT or SIGTERM.
    """
    benchmark.begin()
    with stop_on_signals() as request:

        def check_stop() -> None:
            if request.signal is not None:
                raise _STOPPED.get(request.signal, TerminatedBenchmarkError)(resume)

        for step in todo:
            with hold_tasks(benchmark.root(step), step.task.name):
                _learn(benchmark, step, listener, resume, check_stop)
                _measure(benchmark, step, listener, check_stop)
            listener.finished(step)


def _learn(
    benchmark: Benchmark, step: BenchmarkStep, listener: ProgressListener, resume: str, check_stop: Callable[[], None]
) -> None:
    """Learn a step's task as `learn-task` does, resuming wherever it was stopped."""
    run = task_run(benchmark, step)
    check_stop()
    if run is None:
        return
    learner = Learner(run, benchmark.device)
    check_stop()
    watch = Stopwatch()
    with (
        listener.learning(step, learner) as stepped,
        spending(costs_path(run.workspace), step.task.name, benchmark.device),
    ):
        for training_step in learner.steps(save_every=SAVE_EVERY, resume_command=resume):
            stepped(training_step)
        learner.finish(watch.seconds)
    check_stop()


def _measure(
    benchmark: Benchmark, step: BenchmarkStep, listener: ProgressListener, check_stop: Callable[[], None]
) -> None:
    measuring = StepMeasuring(benchmark, step)
    with listener.measuring(step, measuring.pictures()) as seen:

        def processed(count: int) -> None:
            seen(count)
            check_stop()

        line = measuring.run(processed)
    benchmark.lines.append(line, benchmark.shared)
    check_stop()


def task_run(benchmark: Benchmark, step: BenchmarkStep) -> TaskRun | None:
    """The training run of a step, new or from its checkpoint; None where the task is learned already."""
    workspace, task = benchmark.workspace(step), step.task
    recipe = step.method.recipe.seeded(step.seed).resolved(benchmark.device, benchmark.base.network)
    said = {"adapter": recipe.adapter, "recipe": recipe.recipe}
    start = {} if step.init_from is None else {"init_from": step.init_from}
    repeated = Repeated(
        {**said, **start}, options.flat(recipe.training.to_json()), options.to_json(recipe.options), task.shots
    )
    try:
        if learn_task.is_learned(workspace, task.name):
            learn_task.check_learned(workspace, task.name, repeated)
            return None
        if RunFolder(workspace.task_run(task.name)).unfinished:
            return learn_task.resume_task(workspace, task.name, repeated)
    except _STALE as error:
        raise StaleTaskError(workspace.root, task.name, error) from error
    return learn_task.plan_task(workspace, task.shots, task.name, recipe, overwrite=False, init_from=step.init_from)
