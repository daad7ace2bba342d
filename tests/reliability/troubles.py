"""`python -m tests.reliability.troubles`: disks that are full, folders that go away, memory that runs out.

Each time: one line, exit code 1, nothing damaged or left over, and once the trouble is gone the work can be finished.
"""

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lfsgan_cli.io.files import partials
from tests.reliability.forked import End, Moment, done, run
from tests.reliability.homes import WORKSPACE, copied, settle
from tests.reliability.scenarios import Scenario, allowed, scenarios
from tests.reliability.whole import contents, damaged

NOBODY = 65534
FILE_SIZES = (500, 20_000, 100_000)  # bytes: from where little more than the error fits to where states do not
ROOM = (0, 8, 40, 200, 500)  # kB left on a disk: the same
MEMORY = (0, 10, 40, 160, 640)  # MB more than the program takes before it begins
SHARE = (0.1, 0.3, 0.5, 0.7, 0.9)  # of a run's changes, after which its folder goes away

KINDS = ("small_files", "full_disk", "read_only", "gone", "little_memory")
COMMANDS = ("learn-task", "pretrain", "tasks import", "generate")

Wrong = list[str]


class Troubled:
    """One scenario under all troubles. scratch: a folder that everybody may read."""

    def __init__(self, scenario: Scenario, scratch: Path) -> None:
        self.scenario, self.scratch = scenario, scratch
        whole = copied(scenario.home, scratch / "whole")
        self.changes = done(scenario.command, whole).changes
        self.new = contents(whole)
        self.allowed = allowed(scenario, self.new)

    def small_files(self) -> Iterator[Wrong]:
        """No file may be larger than so many bytes: what a quota or a full disk looks like, anywhere."""
        for size in FILE_SIZES:
            here = self._copied()
            end = run(self.scenario.command, here, limit=partial(_limit_files, size))
            yield self._checked(f"files of at most {size} bytes", here, end)

    def full_disk(self) -> Iterator[Wrong]:
        """A disk of its own that has only so much room."""
        for room in ROOM:
            with _disk(self.scratch / "disk") as disk:
                here = copied(self.scenario.home, disk / "home")
                state = os.statvfs(disk)
                _resize(disk, (state.f_blocks - state.f_bfree) * state.f_frsize // 1024 + room)
                end = run(self.scenario.command, here, limit=None)
                _resize(disk, 1 << 16)
                yield self._checked(f"a disk with {room} kB left", here, end)

    def read_only(self) -> Iterator[Wrong]:
        """A workspace that the user may read only."""
        here = self._copied()
        before = contents(here)
        end = run(self.scenario.command, here, limit=_nobody)
        wrong = self._checked("a workspace of another user", here, end)
        yield wrong if end.status == 1 or before != contents(here) else [f"read only: it ended with {end.status}"]

    def gone(self) -> Iterator[Wrong]:
        """The folder goes away in the middle, as network drives do, and comes back."""
        for share in SHARE:
            here = self._copied()
            moment = Moment(max(1, int(share * self.changes)), 0.001)
            end = run(self.scenario.command, here, moment, disturb=partial(_move, here, here.with_name("away")))
            _move(here.with_name("away"), here)
            yield self._checked(f"folders that go away after {share:.0%}", here, end, left_over=True)

    def little_memory(self) -> Iterator[Wrong]:
        """No more memory than so much."""
        for megabytes in MEMORY:
            here = self._copied()
            end = run(self.scenario.command, here, limit=partial(_limit_memory, megabytes))
            yield self._checked(f"{megabytes} MB of memory more", here, end)

    def _copied(self) -> Path:
        return copied(self.scenario.home, self.scratch / "troubled")

    def _checked(self, trouble: str, here: Path, end: End, *, left_over: bool = False) -> Wrong:
        """What is wrong after a run that could not go to its end; it may have come to its end nevertheless."""
        errors = [line for line in end.said.splitlines() if line.startswith("Error: ")]
        wrong = [] if end.status == 0 or (end.status == 1 and len(errors) == 1) else [f"{end.status}: {end.said!r}"]
        wrong += [f"no clean error: {end.said}"] if "Traceback" in end.said or "is a bug" in end.said else []
        wrong += [] if left_over else [f"left over: {path}" for path in partials(here)]
        print(f"  {self.scenario.name}, {trouble}: {errors[0] if errors else 'done'}")  # noqa: T201
        return [f"{self.scenario.name}, {trouble}: {each}" for each in (*wrong, *self._after(here))]

    def _after(self, here: Path) -> Wrong:
        """What is wrong with the files once the trouble is gone, and with what the same work makes of them."""
        found = contents(here)
        wrong = [f"damaged: {each}" for each in damaged(here)]
        wrong += [f"lost: {name}" for name, either in self.allowed.items() if found.get(name) not in either]
        after = run(self.scenario.finish(here), here)
        wrong += [] if after.status == 0 else [f"cannot be finished: {after.said}"]
        return wrong + ([] if contents(here) == self.new else ["finished otherwise than undisturbed"])


def _move(home: Path, to: Path) -> None:
    """Move what is written in a home to another one, in place of what is there."""
    for name in (WORKSPACE.name, "out"):
        if (home / name).exists():
            to.mkdir(exist_ok=True)
            shutil.rmtree(to / name, ignore_errors=True)
            (home / name).rename(to / name)


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _limit_memory(megabytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    size = pages * resource.getpagesize() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


@contextlib.contextmanager
def _disk(at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def _resize(disk: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True)


def _may_mount(scratch: Path) -> bool:
    try:
        with _disk(scratch / "trial"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def main() -> int:
    """Zero where every trouble was met as the first lines say."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.troubles", description=__doc__)
    parser.add_argument("--command", choices=COMMANDS, help="to trouble (default: all of these)")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="such as full_disk (default: all that can be made)")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="lfsgan-troubles-"))
    scratch.chmod(0o755)
    wrong: Wrong = []
    try:
        settle(scratch)
        chosen = [each for each in scenarios(scratch / "homes") if each.name in (options.command or COMMANDS)]
        for scenario in chosen:
            troubled = Troubled(scenario, scratch)
            for kind in options.kinds or KINDS:
                if not _is_possible(kind, scratch):
                    print(f"  {kind}: cannot be made here")  # noqa: T201
                    continue
                wrong += [each for found in getattr(troubled, kind)() for each in found]
    finally:
        shutil.rmtree(scratch)
    for each in wrong:
        print(each, file=sys.stderr)  # noqa: T201
    print(f"{len(wrong)} things went wrong")  # noqa: T201
    return bool(wrong)


def _is_possible(kind: str, scratch: Path) -> bool:
    if kind == "read_only":
        return os.geteuid() == 0  # only root can become another user
    if kind == "full_disk":
        return os.geteuid() == 0 and _may_mount(scratch)
    return kind != "little_memory" or sys.platform == "linux"


if __name__ == "__main__":
    sys.exit(main())
