"""`lfsgan learn-all`: learn many tasks, on one machine, on machines that share a folder, or on a Ray cluster."""

import inspect
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import EVERY, live_table, print_json, progress, say, warn
from lfsgan_cli.commands.help import MACHINE
from lfsgan_cli.commands.learn_task import learn_task
from lfsgan_cli.commands.options import AUTO, DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir, given_options
from lfsgan_cli.commands.training import duration
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.runs.queue import Outcome, QueuedTask, Running, State
    from lfsgan_cli.runs.workers import RayWorker, Worker

Source = Annotated[
    Path,
    typer.Argument(
        metavar="DIR|TASKS.toml", show_default=False,
        help="A folder with a folder or zip file of images for each task, or a TOML file of tasks.",
    ),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        max=1024,
        rich_help_panel=MACHINE,
        help="Tasks to learn at a time.  [default: 1; what fits on Ray]",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads", min=1, max=1024, rich_help_panel=MACHINE,
        help="CPU threads of each task. Another number ends in other bytes, so it is recorded.",
    ),
]  # fmt: skip
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray", metavar="HOST:PORT|auto|local", rich_help_panel=MACHINE,
        help="Place the tasks on this Ray cluster (extra [ray]); all nodes share the folders.",
    ),
]  # fmt: skip
Gpus = Annotated[
    float,
    typer.Option("--gpus", min=0, max=1024, rich_help_panel=MACHINE, help="With --ray: GPUs of each task, 0.25 say."),
]

NOT_COMMON = ("ctx", "name", "images", "preview", "resume", "overwrite", "workspace", "device", "dry_run", "as_json")
STATUS_EVERY = 6 * EVERY  # seconds, where there is no terminal
SHOWN = 3  # failed tasks that the last line names


def _with_common_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command the options of `learn-task` that mean something for many tasks, in place of its `**common`."""
    ours = inspect.signature(command, eval_str=True)
    *own, _common = ours.parameters.values()
    named = {one.name for one in own}
    theirs = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, one in inspect.signature(learn_task, eval_str=True).parameters.items()
        if name not in NOT_COMMON and name not in named
    ]
    command.__signature__ = ours.replace(parameters=[*own, *theirs])  # type: ignore[attr-defined]
    return command


@_with_common_options
def learn_all(
    ctx: typer.Context,
    source: Source,
    *,
    jobs: Jobs = None,
    threads: Threads = 1,
    ray: Ray = None,
    gpus: Gpus = 0.0,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
    **common: Any,
) -> None:
    """Learn many tasks, several at a time.

    The tasks are the folders and zip files in DIR, or those of a TOML file. Finished tasks are skipped, and interrupted
    ones are resumed. Run the same command on any number of machines that share the folders: each takes tasks that
    nobody holds. All other options are those of `learn-task`, for all tasks.
    """
    from lfsgan_cli.runs.queue import check_tasks, read_tasks
    from lfsgan_cli.runs.workers import RayWorker, Worker
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.machine import usable_cores
    from lfsgan_cli.workspace.workspace import workspace_at

    if gpus and ray is None:
        raise typer.BadParameter("belongs to --ray; without it, each job has its own GPU", param_hint="--gpus")
    if ray is None:
        pick(device)
    place = workspace_at(workspace)
    given = given_options(ctx, (*common, "threads")) | ({"tensorboard": AUTO} if common["tensorboard"] == AUTO else {})
    listed = read_tasks(source, given)
    check_tasks(source, listed.tasks, place)
    say(f"Tasks: {len(listed.tasks):,} in {str(source)!r}.")
    if listed.skipped:
        shown = ", ".join(listed.skipped[:SHOWN]) + (", …" if len(listed.skipped) > SHOWN else "")
        say(f"Skipped {len(listed.skipped):,} that are no folder or zip file of images: {shown}.")
    if dry_run:
        _tell_plan(place.root, listed.tasks, threads, jobs or 1, device, as_json=as_json)
        return
    worker: Worker | RayWorker
    if ray is not None:
        worker = RayWorker(place.root, listed.tasks, ray, jobs=jobs, threads=threads, device=device, gpus=gpus)
    else:
        cores = usable_cores()
        more = (
            f"; --jobs {cores // threads} uses them all" if (jobs or 1) * threads < cores // threads * threads else ""
        )
        say(f"Jobs: {jobs or 1}, CPU threads of each: {threads}. Cores: {cores}{more}.")
        worker = Worker(place.root, listed.tasks, jobs=jobs or 1, threads=threads, device=device)
    start = time.monotonic()
    with redirect_stdout(sys.stderr):  # where Ray, too, prints what becomes of nodes
        outcomes = _watch(worker)
    _conclude(outcomes, time.monotonic() - start, as_json=as_json)


def _tell_plan(
    root: Path, tasks: "tuple[QueuedTask, ...]", threads: int, jobs: int, device: str, *, as_json: bool
) -> None:
    """What is left to do, and what it needs."""
    from lfsgan_cli.runs.queue import Queue
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.device import threads as computing_with

    with computing_with(threads), progress("Checking tasks", len(tasks), unit="tasks") as advance:
        found = Queue(root, tasks, threads=threads).expected(pick(device), advance)
    hours = found.seconds / 3600
    if as_json:
        print_json({**asdict(found), "hours": round(hours, 3), "jobs": jobs, "hours_with_jobs": round(hours / jobs, 3)})
        return
    say(f"Would learn {found.new:,} tasks and resume {found.resumed:,}; {found.finished:,} are learned already.")
    say(f"Expected time: {hours:.1f} h one after another, by timing this machine; it may be half or twice that")
    if jobs > 1:
        say(f"Expected time with --jobs {jobs}: {hours / jobs:.1f} h, where each has a core or GPU of its own")
    free = "" if found.free is None else f" of {found.free / 1e9:.1f} GB free"
    say(f"Expected memory: {found.memory * jobs / 1e9:.1f} GB{free}")


_STATES: "dict[State, str]" = {
    "learned": "learned", "already": "learned already", "elsewhere": "learned by other workers", "failed": "failed",
}  # fmt: skip


def _watch(worker: "Worker | RayWorker") -> "list[Outcome]":
    """Work to the end, with a live table, or with a line now and then."""
    start, said, total = time.monotonic(), time.monotonic(), len(worker.pending)
    outcomes: list[Outcome] = []
    try:
        with live_table("Learning", ("task", "steps", "minutes", "where")) as show, closing(worker.run()) as events:
            for event in events:
                line = _headline(outcomes, total, time.monotonic() - start)
                if event is not None:
                    outcomes.append(event)
                    _tell(event, len(outcomes), total)
                elif show is not None:
                    show(line, _rows(worker))
                elif time.monotonic() - said > STATUS_EVERY:
                    said = time.monotonic()
                    at_work = ", ".join(f"{name} {steps}" for name, steps, *_ in _rows(worker))
                    say(f"{line} At work: {at_work or 'other workers only'}.")
    except KeyboardInterrupt:
        say(f"{_headline(outcomes, total, 0)} The same command resumes.")
        raise
    if len(models := sorted(getattr(worker, "hardware", ()))) > 1:
        warn(f"the nodes differ ({', '.join(models)}): the same task may end in other bytes on another model")
    return outcomes


def _rows(worker: "Worker | RayWorker") -> list[tuple[str, str, str, str]]:
    return [(one.name, _steps(one), f"{one.seconds / 60:.1f}", one.where) for one in worker.running]


def _steps(one: "Running") -> str:
    return f"{one.done:,}/{one.total:,}" if one.total else "starting"


def _conclude(outcomes: "list[Outcome]", seconds: float, *, as_json: bool) -> None:
    """The summary; LfsganError if a task failed."""
    counts = Counter(one.state for one in outcomes)
    if as_json:
        listed = {one.name: one.to_json() for one in outcomes}
        print_json({"tasks": listed, **{state: counts[state] for state in _STATES}, "seconds": round(seconds, 1)})
    found = ", ".join(f"{counts[state]:,} {words}" for state, words in _STATES.items() if counts[state])
    took = f"{seconds:.0f} s" if seconds < 120 else duration(seconds)
    say(f"Tasks: {found}, in {took}.")
    failed = [one for one in outcomes if one.state == "failed"]
    if failed:
        named = "; ".join(f"{one.name!r}: {one.message}" for one in failed[:SHOWN])
        more = f"; and {len(failed) - SHOWN:,} more" if len(failed) > SHOWN else ""
        raise LfsganError(f"{len(failed):,} of {len(outcomes):,} tasks failed: {named}{more}")


def _tell(outcome: "Outcome", nth: int, total: int) -> None:
    for text in outcome.warnings:
        warn(f"{outcome.name}: {text}")
    if outcome.state == "failed":
        warn(f"{outcome.name} failed: {outcome.message}")
        return
    images, skipped = outcome.document.get("images"), outcome.document.get("skipped") or []
    seen = f" from {images:,} images" if isinstance(images, int) else ""
    seen += f", {len(skipped):,} files skipped," if skipped else ""
    took = f" in {outcome.seconds:.0f} s" if outcome.seconds else ""
    say(f"{outcome.name}: {_STATES[outcome.state]}{seen}{took} ({nth:,} of {total:,}).")


def _headline(outcomes: "list[Outcome]", total: int, seconds: float) -> str:
    done, now = len(outcomes), sum(one.state != "already" for one in outcomes)
    left = f", about {duration(seconds / now * (total - done))} left" if now and done < total else ""
    return f"{done:,} of {total:,} tasks are finished{left}."
