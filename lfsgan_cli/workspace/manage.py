"""Renames, removes and verifies tasks, such that a process killed at any moment leaves each of them whole."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import FileWriteError, check_name, sync_folder
from lfsgan_cli.io.safetensors import SEAL, file_hash, read_header
from lfsgan_cli.workspace import base_file, checkpoint_file, task_file
from lfsgan_cli.workspace.locks import hold_tasks, is_held
from lfsgan_cli.workspace.paths import (
    BASE_FILE,
    RETENTION,
    SUFFIX,
    TRASH,
    NoBaseError,
    UnknownTaskError,
    base_path,
    check_root,
    find_task,
    recorded_hash,
    run_folder,
    run_names,
    stands_for,
    task_names,
    task_path,
    tasks_folder,
)


class RenameError(LfsganError):
    """A task that cannot have another name, or not this one."""

    def __init__(self, old: str, new: str, reason: str, way: str) -> None:
        super().__init__(f"cannot rename task {old!r} to {new!r}: {reason}; {way}")


class TaskExistsError(LfsganError):
    """A task is never replaced by accident."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name!r} is learned already; choose another --name, or pass --overwrite to replace it")


class UnfinishedTaskError(LfsganError):
    """A run of this name was begun and can be resumed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} was begun and not finished: resume it by `lfsgan learn-task` with --resume, "
            "or pass --overwrite to start again"
        )


class ReservedNameError(LfsganError):
    """A name that means something else."""

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__(f"{name!r} cannot name a task: it stands for {meaning}; choose another --name")


def check_free(root: Path, name: str, *, overwrite: bool) -> None:
    """Refuse a name for a new task where it is taken, unless `overwrite`, or stands for something else."""
    path = task_path(root, name)
    meaning = stands_for(name)
    if meaning is not None:
        raise ReservedNameError(name, meaning)
    if checkpoint_file.is_unfinished(run_folder(root, name)) and not overwrite:
        raise UnfinishedTaskError(name)
    if path.exists() and not overwrite:
        raise TaskExistsError(name)


@dataclass(frozen=True)
class Removal:
    """What goes with a task. file: None where only a run that was not finished is there; run: None where none is."""

    name: str
    file: Path | None
    run: Path | None
    bytes: int


def rename(root: Path, old: str, new: str) -> None:
    """Give a task another name: that of its file, which keeps every byte, and that of its run's folder.

    The folder first: killed in between, the task is still whole under its old name, and the same call ends the work.
    Raises RenameError, UnknownTaskError, TaskNameError, HeldError, FileWriteError.
    """
    check_root(root)
    with hold_tasks(root, old, new):
        check_rename(root, old, new)
        _move(run_folder(root, old), run_folder(root, new))
        _move(task_path(root, old), task_path(root, new))


def check_rename(root: Path, old: str, new: str) -> None:
    """Refuse what `rename` would refuse."""
    file = find_task(root, old)
    check_name(new)
    if checkpoint_file.is_unfinished(run_folder(root, old)):
        way = f"finish it with `lfsgan learn-task --name {old} --resume` first"
        raise RenameError(old, new, "it is being learned anew, and that is not finished", way)
    meaning = stands_for(new)
    if meaning is not None:
        raise RenameError(old, new, f"that stands for {meaning}", "choose another name")
    taken = _taken(root, new)
    if taken and not _half_renamed(file, run_folder(root, old), run_folder(root, new)):
        raise RenameError(old, new, taken, f"choose another name, or remove it first with `lfsgan tasks remove {new}`")


def removals(root: Path, names: Sequence[str]) -> list[Removal]:
    """What `remove` would remove; UnknownTaskError where nothing of that name is there, TaskNameError."""
    known = sorted({*task_names(root), *run_names(root)})
    wanted = dict.fromkeys(map(check_name, names))
    for name in wanted:
        if name not in known:
            raise UnknownTaskError(name, known)
    return [_removal(root, name) for name in wanted]


def remove(root: Path, names: Sequence[str]) -> list[Removal]:
    """Move tasks with their runs, finished or not, to the trash; all of the names are checked before the first goes.

    The run goes first: killed in between, the task is still whole. Raises as `removals`, and HeldError, FileWriteError.
    """
    check_root(root)  # the lock would make the folder
    with hold_tasks(root, *names):
        found = removals(root, names)
        for removal in found:
            place = root / TRASH / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
            for path in (removal.run, removal.file):
                if path is not None:
                    _to_trash(path, place)
        return found


def trash(root: Path) -> list[Path]:
    """What was removed and is still there, the oldest first: a folder for each task."""
    return sorted((root / TRASH).glob("*"))


def _to_trash(path: Path, place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)
        sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(path, error) from error


def _move(path: Path, new: Path) -> None:
    if not path.exists():  # a task that came alone has no run
        return
    try:
        path.rename(new)
        sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(new, error) from error


def _taken(root: Path, name: str) -> str:
    """Why a name is not free; empty where it is."""
    run = run_folder(root, name)
    if task_path(root, name).exists():
        return "there is a task of that name"
    if checkpoint_file.is_unfinished(run):
        return "a run of that name was begun and not finished"
    return f"{str(run)!r} holds what is left of another run" if run.exists() else ""


def _half_renamed(file: Path, old_run: Path, new_run: Path) -> bool:
    """Whether a renaming that was killed has moved the run already: its record is that of the task's very file."""
    gone = old_run.exists() or file.with_name(f"{new_run.name}{file.suffix}").exists()
    return not gone and recorded_hash(new_run) == file_hash(file)


def _removal(root: Path, name: str) -> Removal:
    file, run = task_path(root, name), run_folder(root, name)
    paths = [file, *(path for path in run.rglob("*"))]
    size = sum(path.lstat().st_size for path in paths if path.is_file())
    return Removal(name, file if file.exists() else None, run if run.exists() else None, size)


# Checks every file of a workspace against what it says of itself, without torch, and past the first damage.


_TELLING = 80  # characters of a name in a message

State = Literal["whole", "damaged", "of another base", "missing"]


@dataclass(frozen=True)
class Finding:
    """One file. task: None is the base. why: what is wrong and what to do, or what could not be checked."""

    task: str | None
    path: Path
    state: State
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.state == "whole"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"task": self.task, "file": str(self.path), "state": self.state, "why": self.why}


def verify(root: Path, names: Sequence[str] | None = None) -> Iterator[Finding]:
    """The base and the named tasks, or all; NoWorkspaceError, UnknownTaskError and TaskNameError before the first."""
    known = task_names(root)
    for name in names or ():
        find_task(root, name)
    return _verify(root, known if names is None else list(dict.fromkeys(names)))


def _verify(root: Path, names: Sequence[str]) -> Iterator[Finding]:
    base = _base(root)
    if names or base.state != "missing":  # before the first task, a workspace needs no base
        yield base
    identity = _identity(root)
    for name in names:
        yield _task(root, name, identity)


def _base(root: Path) -> Finding:
    path = root / BASE_FILE
    try:
        base_file.verify(base_path(root))
    except NoBaseError:
        return Finding(None, path, "missing", "it is gone; put the base of these tasks back in its place")
    except LfsganError as error:
        return Finding(None, path, "damaged", str(error))
    return _whole(None, path)


def _whole(task: str | None, path: Path) -> Finding:
    sealed = SEAL in read_header(path).metadata
    return Finding(task, path, "whole", "" if sealed else "its header has no hash: an earlier version wrote it")


def _identity(root: Path) -> str | None:
    try:
        return base_file.read_summary(base_path(root)).identity
    except LfsganError:
        return None


def _task(root: Path, name: str, base: str | None) -> Finding:
    path = tasks_folder(root) / f"{name}{SUFFIX}"
    try:
        info = task_file.verify(task_path(root, name))
    except LfsganError as error:
        return Finding(name, path, "damaged", str(error))
    if base is not None and info.base.identity != base:
        theirs = f"{info.base.name[:_TELLING]!r} ({info.base.identity[:12]}…)"
        why = f"it was learned on base {theirs}, not {base[:12]}…; move it to that one's workspace, or learn it here"
        return Finding(name, path, "of another base", why)
    if is_held(root, name):  # its file may have come before its record
        return _whole(name, path)
    return _compare_with_record(name, path, run_folder(root, name))


def _compare_with_record(name: str, path: Path, run: Path) -> Finding:
    """Whether the header is as it was, where it has no hash of its own or was exchanged as a whole."""
    recorded = recorded_hash(run)
    if recorded is None or recorded == file_hash(path):
        return _whole(name, path)
    why = f"its header is not the one that is on record; {task_file.TaskFileError.way_out}"
    record = str(run / RETENTION)
    return Finding(name, path, "damaged", f"{why}; if you put another file there yourself, remove {record!r}")
