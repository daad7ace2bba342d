"""Rename, remove and verify tasks. A process that is killed meanwhile leaves each task whole."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import FileWriteError, check_name, sync_folder, write_atomic
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
from lfsgan_cli.workspace.task_file import TaskInfo

_RESUME = ("lfsgan", "learn-task", "--resume", "--name")


class RenameError(LfsganError):
    """A task that cannot be renamed, or not to this name."""

    def __init__(self, old: str, new: str, reason: str, way: str) -> None:
        super().__init__(f"cannot rename task {old!r} to {new!r}: {reason}; {way}")


class TaskExistsError(LfsganError):
    """A task of this name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name!r} is learned already; choose another --name, or pass --overwrite to replace it")


class UnfinishedTaskError(LfsganError):
    """An unfinished run of this name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the run of task {name!r} is unfinished: resume it with `{shlex.join(_RESUME)} {shlex.quote(name)}`, "
            "or pass --overwrite to start again"
        )


class ReservedNameError(LfsganError):
    """A name that lfsgan uses for something else."""

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__(f"{name!r} cannot name a task: it stands for {meaning}; choose another --name")


class OtherBaseError(LfsganError):
    """A task's file that comes to a workspace of another base."""

    def __init__(self, info: TaskInfo, name: str, identity: str) -> None:
        super().__init__(
            f"task {info.name!r} was learned on base {info.base.name!r} ({info.base.identity[:12]}…), and this "
            f"workspace has {name!r} ({identity[:12]}…): pass another --workspace"
        )


class LackingBaseError(LfsganError):
    """A task's file that comes to a workspace without a base, and whose base is not known."""

    def __init__(self, info: TaskInfo) -> None:
        super().__init__(
            f"task {info.name!r} needs its base {info.base.name!r} ({info.base.identity[:12]}…), and this workspace "
            "has none: import that base first with `lfsgan base import FILE`"
        )


def check_free(root: Path, name: str, *, overwrite: bool) -> None:
    """Raise if a name is taken, unless `overwrite`, or if it stands for something else."""
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
    """What is removed with a task. file: None if there is only an unfinished run. run: None if there is none."""

    name: str
    file: Path | None
    run: Path | None
    bytes: int


def rename(root: Path, old: str, new: str) -> None:
    """Rename a task's file, whose bytes stay the same, and its run folder.

    The folder comes first: if the process is killed in between, the task is whole under its old name, and the same call
    completes the renaming.
    Raises RenameError, UnknownTaskError, TaskNameError, HeldError, FileWriteError.
    """
    check_root(root)
    with hold_tasks(root, old, new):
        check_rename(root, old, new)
        _move(run_folder(root, old), run_folder(root, new))
        _move(task_path(root, old), task_path(root, new))


def check_rename(root: Path, old: str, new: str) -> None:
    """Raise what `rename` would raise."""
    file = find_task(root, old)
    check_name(new)
    if checkpoint_file.is_unfinished(run_folder(root, old)):
        way = f"finish it with `{shlex.join(_RESUME)} {shlex.quote(old)}` first"
        raise RenameError(old, new, "it has an unfinished run", way)
    meaning = stands_for(new)
    if meaning is not None:
        raise RenameError(old, new, f"that stands for {meaning}", "choose another name")
    taken = _taken(root, new)
    if taken and not _half_renamed(file, run_folder(root, old), run_folder(root, new)):
        raise RenameError(old, new, taken, f"choose another name, or remove it first with `lfsgan tasks remove {new}`")


def removals(root: Path, names: Sequence[str]) -> list[Removal]:
    """What `remove` would remove; UnknownTaskError where nothing of that name is there, TaskNameError."""
    check_root(root)
    wanted = dict.fromkeys(map(check_name, names))
    for name in wanted:
        if not task_path(root, name).exists() and not run_folder(root, name).is_dir():
            raise UnknownTaskError(name, {*task_names(root), *run_names(root)})
    return [_removal(root, name) for name in wanted]


def remove(root: Path, names: Sequence[str]) -> list[Removal]:
    """Move tasks and their runs, finished or not, to the trash. All names are checked first.

    The run comes first: if the process is killed in between, the task is still whole.
    Raises as `removals`, and HeldError, FileWriteError.
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
    """What is in the trash, the oldest first: a folder for each task."""
    return sorted((root / TRASH).glob("*"))


def _to_trash(path: Path, place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)
        sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(path, error) from error


def _move(path: Path, new: Path) -> None:
    if not path.exists():  # a task file that was copied here has no run
        return
    try:
        path.rename(new)
        sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(new, error) from error


def _taken(root: Path, name: str) -> str:
    """Why a name is taken; empty if it is free."""
    run = run_folder(root, name)
    if task_path(root, name).exists():
        return "a task of that name exists"
    if checkpoint_file.is_unfinished(run):
        return "an unfinished run of that name exists"
    return f"{str(run)!r} holds files of another run" if run.exists() else ""


def _half_renamed(file: Path, old_run: Path, new_run: Path) -> bool:
    """Whether an interrupted renaming moved the run already: its retention record is of this task file."""
    gone = old_run.exists() or file.with_name(f"{new_run.name}{file.suffix}").exists()
    return not gone and recorded_hash(new_run) == file_hash(file)


def _removal(root: Path, name: str) -> Removal:
    file, run = task_path(root, name), run_folder(root, name)
    paths = [file, *(path for path in run.rglob("*"))]
    size = sum(path.lstat().st_size for path in paths if path.is_file())
    return Removal(name, file if file.exists() else None, run if run.exists() else None, size)


def adopt(
    root: Path, file: Path, name: str, *, base: Path | None = None, overwrite: bool = False, dry_run: bool = False
) -> TaskInfo:
    """Put a task's file into a workspace, which may have to be made, with every byte as it is; what its header says.

    base: a file of its base, for a workspace that has none; None looks beside the file, then at the embedded base.
    Raises as `task_file.verify` and `check_free`; OtherBaseError, LackingBaseError, HeldError, FileWriteError.
    """
    info = task_file.verify(file)
    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(hold_tasks(root, name))
        check_free(root, name, overwrite=overwrite)
        if not _has_base(root, info):
            source = stack.enter_context(_base_for(info, [base or file.parent.parent / BASE_FILE]))
            if not dry_run:
                write_atomic(root / BASE_FILE, source.read_bytes())
        if not dry_run:
            tasks_folder(root).mkdir(exist_ok=True)
            shutil.rmtree(run_folder(root, name), ignore_errors=True)  # its record is of another file
            write_atomic(task_path(root, name), file.read_bytes())
    return info


def _has_base(root: Path, info: TaskInfo) -> bool:
    if not (root / BASE_FILE).exists():
        return False
    found = base_file.read_summary(root / BASE_FILE)
    if found.identity != info.base.identity:
        raise OtherBaseError(info, found.name, found.identity)
    return True


@contextlib.contextmanager
def _base_for(info: TaskInfo, files: Sequence[Path]) -> Iterator[Path]:
    with base_file.embedded_base() as embedded:
        for path in (*files, embedded):
            with contextlib.suppress(LfsganError):  # of what lies there by chance
                if base_file.verify(path).identity == info.base.identity:
                    yield path
                    return
    raise LackingBaseError(info)


# Verifies every file of a workspace by the hashes in its header, without torch. One damaged file does not stop it.


_LONGEST_NAME = 80  # characters in a message

State = Literal["whole", "damaged", "of another base", "missing"]


@dataclass(frozen=True)
class Finding:
    """One file. task: None for the base. why: what is wrong and what to do, or what could not be checked."""

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
    for name in names or ():
        find_task(root, name)
    return _verify(root, task_names(root) if names is None else list(dict.fromkeys(names)))


def _verify(root: Path, names: Sequence[str]) -> Iterator[Finding]:
    base = _base(root)
    if names or base.state != "missing":  # a workspace without tasks needs no base
        yield base
    identity = _identity(root)
    for name in names:
        yield _task(root, name, identity)


def _base(root: Path) -> Finding:
    path = root / BASE_FILE
    try:
        base_file.verify(base_path(root))
    except NoBaseError:
        return Finding(None, path, "missing", "the file is missing; copy the base of these tasks back")
    except LfsganError as error:
        return Finding(None, path, "damaged", str(error))
    return _whole(None, path)


def _whole(task: str | None, path: Path) -> Finding:
    sealed = SEAL in read_header(path).metadata
    return Finding(task, path, "whole", "" if sealed else "its header has no hash, since an earlier version wrote it")


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
        theirs = f"{info.base.name[:_LONGEST_NAME]!r} ({info.base.identity[:12]}…)"
        why = f"it was learned on base {theirs}, not {base[:12]}…; move it to that base's workspace, or learn it here"
        return Finding(name, path, "of another base", why)
    if is_held(root, name):  # its file may have come before its record
        return _whole(name, path)
    return _compare_with_record(name, path, run_folder(root, name))


def _compare_with_record(name: str, path: Path, run: Path) -> Finding:
    """Compare the file with the retention record: the header may have no hash, or the whole file was replaced."""
    recorded = recorded_hash(run)
    if recorded is None or recorded == file_hash(path):
        return _whole(name, path)
    why = f"its header differs from the retention record; {task_file.TaskFileError.way_out}"
    record = str(run / RETENTION)
    return Finding(name, path, "damaged", f"{why}; if you replaced the file yourself, remove {record!r}")
