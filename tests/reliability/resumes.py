"""`python -m tests.reliability.resumes`: runs interrupted at random moments end in the bytes of whole ones."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import SMALL
from tests.reliability.forked import End, Moment, done, run
from tests.reliability.homes import LEARN, WORKSPACE, based, copied, newcomer, settle
from tests.reliability.whole import contents, damaged

STEPS = 13  # two lines of the log and three image grids before the end
PER_STATE = 3  # changes: the state is written, gets its name, and the one before the last goes
SAVE_EVERY = (0, 0.03, 1000)  # seconds: after each step, after some, and only when told to stop
LONGEST = 0.3  # seconds after a change, in which a run of many steps comes through some of them
TASKS = WORKSPACE / "tasks"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}


@dataclass(frozen=True)
class Kind:
    """A run: from nothing, and from where it was interrupted. folder: of its states; file: what it ends with."""

    command: tuple[object, ...]
    resume: tuple[object, ...]
    folder: Path
    file: Path


def _learning(adapter: str) -> Kind:
    command = (*LEARN, "--name", "new", "--steps", STEPS, "--adapter", adapter)
    return Kind(command, ("learn-task", "--name", "new", "--resume"), TASKS / "new", TASKS / "new.safetensors")


KINDS = {adapter: _learning(adapter) for adapter in ("left", "full", "cam")} | {
    "pretrain": Kind(
        ("pretrain", "--data", "data", *SMALL, "--kimg", STEPS * 4 / 1000),
        ("pretrain", "--data", "data", "--resume"),
        WORKSPACE / "base",
        WORKSPACE / "base.safetensors",
    )
}


class NotTheSameError(Exception):
    """An interrupted run that did not end as it should."""


class Resuming:
    """Interrupts one kind of run again and again."""

    def __init__(self, kind: Kind, home: Path, scratch: Path) -> None:
        self.kind, self.home, self.scratch = kind, home, scratch
        whole = copied(home, scratch / "whole")
        self.changes = done((*kind.command, "--save-every", 0), whole).changes
        self.expected = contents(whole)

    def point(self, rng: random.Random) -> str:
        """Interrupt a run at a random moment and finish it; how it was interrupted."""
        while True:
            every, by = rng.choice(SAVE_EVERY), rng.choice(SIGNALS)
            most = self.changes - (PER_STATE * (STEPS - 1) if every == max(SAVE_EVERY) else 0)
            moment = Moment(rng.randint(1, most), rng.choice((0.0, rng.uniform(0, LONGEST))), by)
            here = copied(self.home, self.scratch / "interrupted")
            end = run((*self.kind.command, "--save-every", every), here, moment)
            if end.status != 0:  # else it was faster than the signal
                break
        about = f"--save-every {every}, {by.name} {moment.seconds:.3f} s after change {moment.change}"
        self._check_end(end, by, about)
        self._finish(here, about)
        return by.name

    def _check_end(self, end: End, by: signal.Signals, about: str) -> None:
        if end.status != ENDS[by] or "Traceback" in end.said:
            raise NotTheSameError(f"{about}: ended with {end.status}:\n{end.said}")
        if "Stopped after" in end.said and "--resume" not in end.said:
            raise NotTheSameError(f"{about}: it does not tell how to go on:\n{end.said}")

    def _finish(self, here: Path, about: str) -> None:
        begun = (here / self.kind.file).exists() or any((here / self.kind.folder).glob("state*.safetensors"))
        wrong = damaged(here)
        done(self.kind.resume if begun else self.kind.command, here)
        found, expected = contents(here), self.expected
        wrong += [name for name in sorted(found.keys() | expected.keys()) if found.get(name) != expected.get(name)]
        if wrong:
            raise NotTheSameError(f"{about}: not as in an uninterrupted run: {', '.join(wrong)}")


def main() -> int:
    """Zero where every interrupted run ended in the same bytes."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.resumes", description=__doc__)
    parser.add_argument("--points", type=int, default=20, help="interruptions of each kind (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("kinds", nargs="*", default=[], metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    options = parser.parse_args()
    name, scratch = "", Path(tempfile.mkdtemp(prefix="lfsgan-resumes-"))
    try:
        settle(scratch)
        homes = {True: newcomer(scratch / "newcomer"), False: based(scratch / "based")}
        for name in options.kinds or KINDS:
            resuming = Resuming(KINDS[name], homes[name == "pretrain"], scratch / name)
            rng = random.Random(f"{name} {options.seed}")  # noqa: S311 - moments, no secrets
            by = Counter(resuming.point(rng) for _ in range(options.points))
            told = ", ".join(f"{count} by {signal_name}" for signal_name, count in sorted(by.items()))
            print(f"{name}: {options.points} of {options.points} interrupted runs ended in the same bytes ({told})")  # noqa: T201
    except NotTheSameError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        shutil.rmtree(scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
