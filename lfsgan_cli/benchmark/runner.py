"""Running a benchmark from wherever it stands to its end; a signal stops it, and what is finished is kept."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

from lfsgan_cli.benchmark.measure import StepMeasuring
from lfsgan_cli.benchmark.plan import Benchmark, BenchmarkStep
from lfsgan_cli.benchmark.results import Cost, costs_path, note, spending
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
        super().__init__(f"Stopped; all finished steps are kept, go on with: {resume}")


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


def _learn(
    benchmark: Benchmark, step: BenchmarkStep, shorter: Sequence[BenchmarkStep], watcher: ProgressListener, stop: _Stop
) -> None:
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
            f"give another --out (what learn-task says of it: {why})"
        )


def job_of(benchmark: Benchmark, step: BenchmarkStep) -> TaskRun | None:
    """What is to be learned in a step, from its start or from a kept state; None where it is learned already."""
    workspace, task = benchmark.workspace(step), step.task
    way = step.method.way.seeded(step.seed).resolved(benchmark.device, benchmark.base.network)
    said = {"adapter": way.adapter, "recipe": way.recipe}
    start = {} if step.init_from is None else {"init_from": step.init_from}
    repeated = Repeated({**said, **start}, way.training.to_json(), way.pairs, task.shots)
    try:
        if plan.is_learned(workspace, task.name):
            plan.check_learned(workspace, task.name, repeated)
            return None
        if RunFolder(workspace.task_run(task.name)).unfinished:
            return plan.resume_task(workspace, task.name, repeated)
    except _STALE as error:
        raise StaleTaskError(workspace.root, task.name, error) from error
    return plan.plan_task(workspace, task.shots, task.name, way, overwrite=False, init_from=step.init_from)


def learn(learner: Learner, shorter: Sequence[TaskRun], resume: str) -> Iterator[TrainingStep]:
    """Train to the end and write the task; its costs are noted on the way.

    shorter: jobs that this one passes through, see `passed_by`; each is left where it ends, only to be finished.
    resume: the command that goes on.
    """
    watch, name = Stopwatch(), learner.job.plan.name
    with spending(costs_path(learner.job.workspace), name, learner.device) as spent:
        for one in learner.steps(save_every=SAVE_EVERY, resume_command=resume):
            for job in shorter:
                if job.plan.training.steps == one.done:
                    _leave(learner, job, spent())
            yield one
        learner.finish(watch.seconds)


def passed_by(benchmark: Benchmark, job: TaskRun, shorter: Sequence[BenchmarkStep]) -> list[TaskRun]:
    """Of the steps that a job may pass through, the jobs that are not done, and differ from it in nothing else.

    Raises as `job_of`: what stands in the way of one of them is known before work begins.
    """
    found = [other for step in shorter if (other := job_of(benchmark, step)) is not None]
    return [other for other in found if replace(other.plan, training=job.plan.training) == job.plan]


def _leave(learner: Learner, job: TaskRun, spent: Cost) -> None:
    # Whatever hinders it, as that it is begun: the shorter one has its own turn later, and the longer one goes on.
    with suppress(LfsganError, OSError), hold_tasks(job.workspace.root, job.plan.name):
        plan.free_folder(job.workspace, job.plan.name, overwrite=False)
        note(costs_path(job.workspace), job.plan.name, spent)
        learner.leave_to(job)
