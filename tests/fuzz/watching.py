"""What a reader does beside reading: how long it takes, how much memory, and what it asks of the interpreter."""

import contextlib
import faulthandler
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from lfsgan_cli.errors import LfsganError

PATIENCE = 10  # seconds for one reader and one file
MEMORY = 500_000_000  # bytes beyond what the process has, or three times the file
TIMES = 3
LONGEST = 1500  # characters of a message

FORBIDDEN = (
    "compile", "ctypes.", "exec", "import", "os.exec", "os.fork", "os.posix_spawn", "os.putenv", "os.remove",
    "os.rename", "os.spawn", "os.system", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod",
    "pty.spawn", "shutil.", "socket.", "subprocess.Popen",
)  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Watch:
    """What the interpreter was asked to do while a reader was at work. allowed: events by the name of the reader."""

    def __init__(self, allowed: dict[str, tuple[str, ...]] | None = None) -> None:
        self.on = False
        self.known = allowed or {}
        self.allowed: tuple[str, ...] = ()
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def over(self, reader: str) -> Iterator[None]:
        """While a reader is at work; one that takes too long ends the process."""
        self.on, self.allowed = True, self.known.get(reader, ())
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self.on = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event in self.allowed:
            return
        if event.startswith(FORBIDDEN) or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING and arguments[0] != os.devnull
        ):
            self.on = False  # what the note itself takes is not the reader's
            self.seen.append(f"{event} {arguments!r:.200}")
            self.on = True


class Peak:
    """The most memory that a block took, in bytes beyond what there was; none where the system does not tell."""

    def __enter__(self) -> Self:
        self.taken = 0
        if CLEAR.exists():
            CLEAR.write_text("5")  # the highest so far is forgotten
            self._before = _status("VmRSS:")
        return self

    def __exit__(self, *_: object) -> None:
        if CLEAR.exists():
            self.taken = max(0, _status("VmHWM:") - self._before)


def limit_memory(most: int) -> None:
    """Refuse to hand out `most` bytes more than what there is; where that cannot be told, nothing."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + most, resource.RLIM_INFINITY))


def judged(read: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """'read', 'refused' or 'failed', and what was said."""
    try:
        read(path)
    except LfsganError as error:
        said = str(error)
        fair = said.isprintable() and len(said) <= LONGEST
        return ("refused", said) if fair else ("failed", f"said {said!r:.2000}")
    except BaseException as error:  # noqa: BLE001 - that is the question
        return "failed", f"{type(error).__name__}: {error}"
    return "read", ""


def _status(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024
