"""Snapshots of a task's run: task files of earlier steps, in the run's folder, to look at and to choose from."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.retention_record import forget, record
from lfsgan_cli.generation.output import Block, Pixels, check_ours, labelled, save, to_arrays
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.images.formats import GRID as MARKED
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.runs.folder import RunFolder
from lfsgan_cli.workspace.blend import layers
from lfsgan_cli.workspace.manage import UnfinishedTaskError
from lfsgan_cli.workspace.paths import SNAPSHOTS, SUFFIX, find_task
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import BaseMismatchError, Workspace

SEEDS = range(8)
GRID = "snapshots.png"
_NAME = re.compile(rf"step(\d{{6,18}}){re.escape(SUFFIX)}")


class NoSnapshotsError(LfsganError):
    """A task without any."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} has no snapshots; learn it with `lfsgan learn-task --snapshot-every STEPS` to have some"
        )


class UnknownSnapshotError(LfsganError):
    """A step that has no snapshot."""

    def __init__(self, name: str, step: int, known: list[int]) -> None:
        steps = ", ".join(map(str, known)) or "none"
        super().__init__(
            f"task {name!r} has no snapshot of step {step}; it has: {steps}; "
            "`lfsgan learn-task --snapshot-every STEPS` takes more"
        )


def path_of(run: Path, step: int) -> Path:
    """The file of a snapshot, whether it is there or not."""
    return run / SNAPSHOTS / f"step{step:06}{SUFFIX}"


def steps_of(run: Path) -> list[int]:
    """The steps that have a snapshot, in order."""
    names = (_NAME.fullmatch(file.name) for file in (run / SNAPSHOTS).glob(f"*{SUFFIX}"))
    return sorted(int(match[1]) for match in names if match)


def find(run: Path, name: str, step: int) -> Path:
    """The file of a snapshot of the task `name`; UnknownSnapshotError."""
    known = steps_of(run)
    if step not in known:
        raise UnknownSnapshotError(name, step, known)
    return path_of(run, step)


def prune(run: Path, keep: int) -> None:
    """Remove all but the last `keep` snapshots."""
    for step in steps_of(run)[:-keep]:
        path_of(run, step).unlink(missing_ok=True)


def cut(run: Path, done: int) -> None:
    """Remove the snapshots of steps after `done`, which a resumed run takes again."""
    for step in steps_of(run):
        if step > done:
            path_of(run, step).unlink(missing_ok=True)


def write_grid(workspace: Workspace, name: str, out: Path | None, device: torch.device) -> tuple[Path, list[int]]:
    """Write `image_grid` as a PNG; its path, and the steps of its rows.

    out: the PNG; None is `snapshots.png` in the run's folder. NoSnapshotsError, ForeignFileError.
    """
    path = out or workspace.task_run(name) / GRID
    check_ours([path])
    image, steps = image_grid(workspace, name, device)
    note = {"task": name, "steps": steps, "seeds": list(SEEDS), "noise": "const"}
    save(path, image, note, MARKED)
    return path, steps


def image_grid(workspace: Workspace, name: str, device: torch.device) -> tuple[Pixels, list[int]]:
    """The seeds 0 to 7 of every snapshot, a row for each, and the steps of the rows; NoSnapshotsError."""
    run = workspace.task_run(name)
    steps = steps_of(run)
    if not steps:
        find_task(workspace.root, name)  # of a mistyped name, that is the error
        raise NoSnapshotsError(name)
    rows = [images(workspace, name, step, device) for step in steps]
    grid = Block(rows, [f"seed {seed}" for seed in SEEDS], [f"step {step:,}" for step in steps])
    return labelled([grid], name), steps


def images(workspace: Workspace, name: str, step: int, device: torch.device) -> list[Pixels]:
    """Samples of one snapshot, those of `SEEDS`; UnknownSnapshotError, and as `TaskFile.open`."""
    task = _open(workspace, find(workspace.task_run(name), name, step))
    generator = workspace.draw([(task, dict.fromkeys(layers(workspace.base.average.config), 1.0))], device)
    return to_arrays(torch.cat(list(sample(generator, SEEDS, noise="const"))))


def pick(workspace: Workspace, name: str, step: int, device: torch.device) -> Path:
    """Make the snapshot of a step the task, with a new retention record; the task's file.

    Raises UnknownTaskError, UnfinishedTaskError while the task is being learned anew, UnknownSnapshotError, and as
    `TaskFile.open`.
    """
    path = find_task(workspace.root, name)
    run = workspace.task_run(name)
    if RunFolder(run).unfinished:
        raise UnfinishedTaskError(name)
    snapshot = find(run, name, step)
    _open(workspace, snapshot)  # a damaged one is refused before anything is replaced
    forget(workspace, name)
    write_atomic(path, snapshot.read_bytes())
    record(workspace, name, device)
    return path


def _open(workspace: Workspace, path: Path) -> TaskFile:
    task = TaskFile.open(path)
    if task.info.base.identity != workspace.base.identity:
        raise BaseMismatchError(task.info, workspace.base.name, workspace.base.identity)
    return task
