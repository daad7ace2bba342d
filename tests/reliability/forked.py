"""The program in a process forked from this one, which has imported all it needs: a start costs milliseconds.

A forked process tells each time before it changes something in the file system, so that it can be killed there.
"""

import os
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lfsgan_cli.app import app

PATIENCE = 120.0  # seconds until a process is given up

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


@dataclass(frozen=True)
class End:
    """How a process ended. status: the exit code, or minus the signal; changes: how many it told of."""

    status: int
    said: str
    changes: int
    seconds: float


@dataclass(frozen=True)
class Moment:
    """When to send a signal: just before a process's n-th change (from 1), or some time after it told of that."""

    change: int
    seconds: float
    by: signal.Signals = signal.SIGKILL


def run(
    arguments: Sequence[object],
    folder: Path,
    moment: Moment | None = None,
    *,
    limit: Callable[[], None] | None = None,
    disturb: Callable[[], None] | None = None,
) -> End:
    """Run `lfsgan` with these words in a folder, and send it a signal at a moment, should it come so far.

    limit: what the process does to itself first. disturb: what is done at the moment, instead of sending a signal.
    """
    start = time.monotonic()
    told_to, tells = os.pipe()
    said = Path(tempfile.gettempdir()) / f"lfsgan-said-{os.getpid()}"  # not beside the folder: that disk may be full
    process = os.fork()
    if process == 0:
        try:
            os.close(told_to)
            tell = _teller(tells, None if disturb else moment)
            _become([str(argument) for argument in arguments], folder, said, tell, limit)
        finally:
            os._exit(os.EX_SOFTWARE)  # whatever happens, nothing of the caller's is done twice
    os.close(tells)
    changes = _listen(told_to, process, moment, disturb)
    os.close(told_to)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    words = said.read_text(encoding="utf-8")
    said.unlink()
    return End(status, words, changes, time.monotonic() - start)


def done(arguments: Sequence[object], folder: Path) -> End:
    """Run what must work."""
    end = run(arguments, folder)
    if end.status != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))} in {folder} ended with {end.status}:\n{end.said}")
    return end


def _listen(told_to: int, process: int, moment: Moment | None, disturb: Callable[[], None] | None) -> int:
    """Count what the process tells until it ends, and send the signal; it ends in any case after a while."""
    changes, give_up = 0, time.monotonic() + PATIENCE
    while True:
        if not select.select([told_to], [], [], max(0.0, give_up - time.monotonic()))[0]:
            os.kill(process, signal.SIGKILL)
            raise AssertionError(f"still running after {PATIENCE:.0f} s")
        told = os.read(told_to, 1 << 10)
        if not told:
            return changes
        due = moment is not None and changes < moment.change <= changes + len(told)
        changes += len(told)
        if moment is not None and due:
            time.sleep(moment.seconds)
            if disturb:
                disturb()
            elif moment.seconds > 0:  # else it has done so itself
                os.kill(process, moment.by)  # not yet waited for, so the number is still its own


def _teller(tells: int, moment: Moment | None) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def tell(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in _CHANGES or (event == "open" and _writes(*arguments[:3])):
            count += 1
            os.write(tells, b".")
            if moment is not None and moment.seconds == 0 and count == moment.change:
                os.kill(os.getpid(), moment.by)

    return tell


def _writes(path: object, mode: str | None, flags: int) -> bool:
    if isinstance(path, int) or str(path).startswith("/dev/"):
        return False
    return bool(set(mode) & set("wax+")) if mode else bool(flags & (os.O_WRONLY | os.O_RDWR))


def _become(
    arguments: list[str],
    folder: Path,
    said: Path,
    tell: Callable[[str, tuple[Any, ...]], None],
    limit: Callable[[], None] | None,
) -> NoReturn:
    status = 1
    try:
        os.chdir(folder)
        target = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.argv = ["lfsgan", *arguments]
        sys.addaudithook(tell)
        if limit:
            limit()
        app(arguments)
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
