"""Locks in a workspace. The system releases them when their process ends.

A task's name is locked while the task is learned, imported, renamed or removed; the base is locked while it is made. No
base is made while a task is locked, and the other way round. Reading takes no lock, since files are replaced whole.
Workers of `learn-all` claim a task's name besides, before they start the process that will lock it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from lfsgan_cli.errors import LfsganError, printable
from lfsgan_cli.io.files import check_name

FOLDER = ".locks"
_SUFFIX = ".lock"
_BASE, _TASK, _CLAIM = "base", "task-", "claim-"
_BASE_PATIENCE = 1.0  # seconds; a process that wants to make a base lets go once it sees a locked task
_UNNAMED_PATIENCE = 5.0  # seconds; a lock without a name is usually held only for a look
_POLL = 0.01  # seconds
_FOLDER_TRIES = 100  # another process that ends may remove the folder in between
_LONGEST = 120  # characters of a command line in a message


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock. command: its command line, cut short; since: ISO 8601."""

    pid: int
    host: str
    command: str
    since: str


class HeldError(LfsganError):
    """A task or base that another process has locked."""

    words: ClassVar[str] = "is being worked on by"  # by which another process's message is known

    def __init__(self, what: str, holder: Holder | None) -> None:
        way = f"wait until it ends, or stop it{_how_to_stop(holder)}"
        super().__init__(f"{what} {self.words} {spell(holder)}: {way}")


class LockFileError(LfsganError):
    """A file system or folder in which nothing can be locked."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"cannot lock {str(path)!r}: {cause.strerror or cause}; "
            "expected a writable workspace on a file system with locks; pass another --workspace"
        )


@contextlib.contextmanager
def hold_tasks(root: Path, *names: str) -> Iterator[None]:
    """Lock tasks' names, whether such tasks exist or not, while the block runs.

    Raises HeldError at once if another process holds one of them or makes the base, TaskNameError, LockFileError.
    """
    for name in names:
        check_name(name)
    with contextlib.ExitStack() as stack:
        for name in sorted(set(names)):
            stack.enter_context(_held(_path(root, f"{_TASK}{name}")))
        _refuse_if_held(_path(root, _BASE), patience=_BASE_PATIENCE)
        yield


@contextlib.contextmanager
def hold_base(root: Path) -> Iterator[None]:
    """Lock the base. HeldError if another process holds it, or a task; LockFileError.

    Both kinds lock their own file before they look at the others', so that never both continue; tasks come first.
    """
    with _held(_path(root, _BASE)):
        for path in _paths(root):
            if path.name.startswith(_TASK):
                _refuse_if_held(path)
        yield


@contextlib.contextmanager
def claim(root: Path, name: str) -> Iterator[None]:
    """Take a task for one worker of `learn-all` while the block runs; HeldError at once if another has it.

    The lock itself belongs to the process that learns the task: it stays where the worker is killed alone.
    """
    with _held(_path(root, f"{_CLAIM}{check_name(name)}")):
        yield


def held(root: Path) -> dict[str, Holder | None]:
    """What is locked in a workspace, and by which process; None if the file does not say."""
    return {_what(path): _read(path) for path in _paths(root) if not path.name.startswith(_CLAIM) and _is_held(path)}


def held_tasks(root: Path) -> dict[str, Holder | None]:
    """The names of tasks that are held, and by whom; None where nobody says."""
    names = {path: path.name.removesuffix(_SUFFIX).removeprefix(_TASK) for path in _paths(root)}
    found = {name: path for path, name in names.items() if path.name.startswith(_TASK) and _is_held(path)}
    return {name: _read(path) for name, path in found.items()}


def abandoned(root: Path) -> list[Path]:
    """Lock files that no process holds, left by processes that were killed. They do no harm."""
    return [path for path in _paths(root) if not _is_held(path)]


def remove_abandoned(path: Path) -> None:
    """Remove such a file, unless a process has locked it since."""
    with contextlib.suppress(OSError):
        descriptor = _try(path, create=False)
        if descriptor is not None:
            _let_go(path, descriptor)
            _remove_empty([path.parent])


def what(task: str | None) -> str:
    """As `held` names a task, or, for None, the base."""
    return "the base" if task is None else f"task {task!r}"


def is_held(root: Path, name: str) -> bool:
    """Whether a task's name is held, by this process or another."""
    return _is_held(_path(root, f"{_TASK}{name}"))


def _path(root: Path, name: str) -> Path:
    return root / FOLDER / f"{name}{_SUFFIX}"


def _paths(root: Path) -> list[Path]:
    return sorted((root / FOLDER).glob(f"*{_SUFFIX}"))


def _what(path: Path) -> str:
    name = path.name.removesuffix(_SUFFIX)
    return what(None if name == _BASE else name.removeprefix(_TASK).removeprefix(_CLAIM))


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        descriptor = _lock(path)
        _sign(descriptor)
    except OSError as error:
        raise LockFileError(path, error) from error
    try:
        yield
    finally:
        _let_go(path, descriptor)
        _remove_empty(dict.fromkeys([path.parent, *missing]))


def _refuse_if_held(path: Path, *, patience: float = 0.0) -> None:
    if path.exists():
        with contextlib.suppress(FileNotFoundError):  # released in this moment
            _let_go(path, _lock(path, create=False, patience=patience))


def _is_held(path: Path) -> bool:
    try:
        descriptor = _try(path, create=False)
    except OSError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _lock(path: Path, *, create: bool = True, patience: float = 0.0) -> int:
    """A descriptor of the locked file; HeldError if another process holds it for `patience` seconds, OSError."""
    start = time.monotonic()
    while (descriptor := _try(path, create=create)) is None:
        holder = _read(path)
        # No name, or that of a dead process: some process only looks, or has not yet written its name.
        limit = patience if holder is not None and _lives(holder) else _UNNAMED_PATIENCE
        if time.monotonic() - start >= limit:
            raise HeldError(_what(path), holder)
        time.sleep(_POLL)
    return descriptor


def _try(path: Path, *, create: bool) -> int | None:
    from filelock import lock_descriptor  # brings asyncio along; `lfsgan --help` needs neither

    while True:
        descriptor = _open(path, create=create)
        try:
            locked = lock_descriptor(descriptor, blocking=False)
        except BaseException:
            os.close(descriptor)
            raise
        if locked and os.fstat(descriptor).st_nlink > 0:
            return descriptor
        os.close(descriptor)
        if not locked:
            return None
        # The holder before removed the file after it was opened here: this lock protects nothing.


def _open(path: Path, *, create: bool) -> int:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    if not create:
        return os.open(path, flags)
    for _ in range(_FOLDER_TRIES):
        with contextlib.suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags | os.O_CREAT, 0o666)
    return os.open(path, flags | os.O_CREAT, 0o666)


def _sign(descriptor: int) -> None:
    """Write this process's name, from the second byte on: on Windows nobody else can read a locked byte."""
    command = shlex.join(["lfsgan", *sys.argv[1:]])
    here = Holder(os.getpid(), platform.node(), command, datetime.now(UTC).isoformat(timespec="seconds"))
    with contextlib.suppress(
        OSError
    ):  # a full disk: the lock works without a name, and it must stay possible to free space
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"\n" + json.dumps(asdict(here)).encode())


def _read(path: Path) -> Holder | None:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(1)
            document = json.loads(file.read(1 << 16))
    except (OSError, ValueError, RecursionError):
        return None
    match document:
        case {"pid": int(pid), "host": str(host), "command": str(command), "since": str(since)} if pid > 1:
            return Holder(pid, *map(_cut_short, (host, command, since)))
    return None


def _lives(holder: Holder) -> bool:
    """Whether the process may be alive; true on another machine, and on Windows, which has no harmless signal."""
    if os.name == "nt" or holder.host != platform.node():
        return True
    try:
        os.kill(holder.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _let_go(path: Path, descriptor: int) -> None:
    """Remove the file, then unlock it, so that no new file of another process is removed; Windows needs it reversed."""
    if os.name == "nt":
        os.close(descriptor)
    with contextlib.suppress(OSError):
        path.unlink()
    if os.name != "nt":
        os.close(descriptor)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders that were made for the lock alone."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def spell(holder: Holder | None) -> str:
    """A process in words."""
    if holder is None:
        return "another process"
    elsewhere = f" on {holder.host}" if holder.host != platform.node() else ""
    return f"process {holder.pid}{elsewhere} ({holder.command}; since {holder.since})"


def _how_to_stop(holder: Holder | None) -> str:
    return "" if holder is None or holder.host != platform.node() else f" with `kill {holder.pid}`"


def _cut_short(text: str) -> str:
    """Fit for a message, whatever the file says."""
    line = printable(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
