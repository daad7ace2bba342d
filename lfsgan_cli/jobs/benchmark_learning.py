"""Learning a benchmark's tasks: each as `learn-task` would, going on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs import taskplan
from lfsgan_cli.jobs.benchmark import Benchmark, Step
from lfsgan_cli.jobs.costs import Cost, note, spending
from lfsgan_cli.jobs.learning import Learner
from lfsgan_cli.jobs.repeated import OtherShotsError, Repeated
from lfsgan_cli.jobs.runfolder import ChangedPlanError, RunFolder, Stopwatch
from lfsgan_cli.jobs.states import UnusableStateError
from lfsgan_cli.jobs.taskplan import ChangedShotsError, Job
from lfsgan_cli.jobs.warmstart import OtherStartError
from lfsgan_cli.locks import HeldError, hold_tasks
from lfsgan_cli.training.phases import Step as TrainingStep
from lfsgan_cli.workspace import Workspace

COSTS = "costs.json"
SAVE_EVERY = 120.0  # seconds between two states, as for `learn-task`

_STALE = (ChangedPlanError, OtherShotsError, ChangedShotsError, OtherStartError, UnusableStateError)


class StaleTaskError(LfsganError):
    """A task in the benchmark's folder that is not the one that the suite asks for."""

    def __init__(self, root: Path, name: str, why: LfsganError) -> None:
        super().__init__(
            f"task {name!r} in {str(root)!r} was begun otherwise than the suite asks for now; remove that folder, or "
            f"give another --out (what learn-task says of it: {why})"
        )


def job_of(benchmark: Benchmark, step: Step) -> Job | None:
    """What is to be learned in a step, from its start or from a kept state; None where it is learned already."""
    workspace, task = benchmark.workspace(step), step.task
    way = step.method.way.seeded(step.seed).resolved(benchmark.device, benchmark.base.network.resolution)
    said = {"adapter": way.adapter, "recipe": way.recipe}
    start = {} if step.init_from is None else {"init_from": step.init_from}
    repeated = Repeated({**said, **start}, way.training.to_json(), way.pairs, task.shots)
    try:
        if taskplan.is_learned(workspace, task.name):
            taskplan.check_learned(workspace, task.name, repeated)
            return None
        if RunFolder(workspace.task_run(task.name)).unfinished:
            return taskplan.resume(workspace, task.name, repeated)
    except _STALE as error:
        raise StaleTaskError(workspace.root, task.name, error) from error
    return taskplan.begin(workspace, task.shots, task.name, way, overwrite=False, init_from=step.init_from)


def learn(
    benchmark: Benchmark, step: Step, learner: Learner, shorter: Sequence[Step], resume: str
) -> Iterator[TrainingStep]:
    """Train to the end and write the task; its costs are noted on the way.

    shorter: steps that this one passes through; each is left where it ends, only to be finished. resume: the command
    that goes on.
    """
    watch, ends = Stopwatch(), {one.method.way.training.steps: one for one in shorter}
    with spending(costs_path(learner.job.workspace), step.task.name, benchmark.device) as spent:
        for one in learner.steps(save_every=SAVE_EVERY, resume_command=resume):
            if one.done in ends:
                _leave(benchmark, ends[one.done], learner, spent())
            yield one
        learner.finish(watch.seconds)


def _leave(benchmark: Benchmark, step: Step, learner: Learner, spent: Cost) -> None:
    with suppress(HeldError), hold_tasks(benchmark.root(step), step.task.name):  # whoever holds it learns it as well
        job = job_of(benchmark, step)
        if job is not None and not job.resumed:
            learner.leave_to(job)
            note(costs_path(job.workspace), step.task.name, spent)


def costs_path(workspace: Workspace) -> Path:
    """Where a workspace of a benchmark keeps what its tasks cost."""
    return workspace.root / COSTS
