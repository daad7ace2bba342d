"""Learning a benchmark's tasks: each as `learn-task` would, going on wherever it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
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
from lfsgan_cli.locks import hold_tasks
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
    way = step.method.way.seeded(step.seed).resolved(benchmark.device, benchmark.base.network)
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


def learn(learner: Learner, shorter: Sequence[Job], resume: str) -> Iterator[TrainingStep]:
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


def passed_by(benchmark: Benchmark, job: Job, shorter: Sequence[Step]) -> list[Job]:
    """Of the steps that a job may pass through, the jobs that are not done, and differ from it in nothing else.

    Raises as `job_of`: what stands in the way of one of them is known before work begins.
    """
    found = [other for step in shorter if (other := job_of(benchmark, step)) is not None]
    return [other for other in found if replace(other.plan, training=job.plan.training) == job.plan]


def _leave(learner: Learner, job: Job, spent: Cost) -> None:
    # Whatever hinders it, as that it is begun: the shorter one has its own turn later, and the longer one goes on.
    with suppress(LfsganError, OSError), hold_tasks(job.workspace.root, job.plan.name):
        taskplan.free_folder(job.workspace, job.plan.name, overwrite=False)
        note(costs_path(job.workspace), job.plan.name, spent)
        learner.leave_to(job)


def costs_path(workspace: Workspace) -> Path:
    """Where a workspace of a benchmark keeps what its tasks cost."""
    return workspace.root / COSTS
