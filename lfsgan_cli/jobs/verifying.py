"""Checks every file of a workspace against what it says of itself, without torch, and past the first damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lfsgan_cli import basefile, taskfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.hashing import file_hash
from lfsgan_cli.locks import is_held
from lfsgan_cli.taskfolder import (
    BASE_FILE,
    RETENTION,
    SUFFIX,
    NoBaseError,
    base_path,
    find_task,
    recorded_hash,
    run_folder,
    task_names,
    task_path,
    tasks_folder,
)
from lfsgan_cli.tensorheader import SEAL, read_header

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
        basefile.verify(base_path(root))
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
        return basefile.read_summary(base_path(root)).identity
    except LfsganError:
        return None


def _task(root: Path, name: str, base: str | None) -> Finding:
    path = tasks_folder(root) / f"{name}{SUFFIX}"
    try:
        info = taskfile.verify(task_path(root, name))
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
    why = f"its header is not the one that is on record; {taskfile.WAY_OUT}"
    record = str(run / RETENTION)
    return Finding(name, path, "damaged", f"{why}; if you put another file there yourself, remove {record!r}")
