"""`python -m tests.reliability.kills`: kills the program at random moments of its writing; looks at what is left."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lfsgan_cli.io.files import partials
from tests.reliability.forked import PATIENCE, Moment, done, run
from tests.reliability.homes import WORKSPACE, copied, settle
from tests.reliability.scenarios import Scenario, allowed, scenarios
from tests.reliability.whole import contents, damaged

LONGEST = 0.01  # seconds after a change is announced: most of them, with their waiting for the disk, are over by then
DAMAGED, LOST = "a damaged file", "a file that is neither old nor new"
FAILED, DIFFERENT = "a command that fails", "a file that is not as an undisturbed run leaves it"
TELL_EVERY = 20  # kills
BASE = WORKSPACE / "base.safetensors"
POLL = 0.01  # seconds between two looks at a folder that another program writes


class Killing:
    """One scenario, and the bytes that an undisturbed run of it leaves."""

    def __init__(self, scenario: Scenario, scratch: Path) -> None:
        self.scenario, self.scratch = scenario, scratch
        whole = copied(scenario.home, scratch / "whole")
        # What a forked process tells of, and what can be seen of another one: that turns out when it ends too early.
        self.changes = self.seen = done(scenario.command, whole).changes
        self.new = contents(whole)
        self.allowed = allowed(scenario, self.new)
        self.counts: Counter[str] = Counter()

    def kill(self, rng: random.Random, *, shell: bool) -> list[str]:
        """Kill once and go on; what is wrong, in words."""
        while True:
            here = copied(self.scenario.home, self.scratch / "killed")
            most = self.seen if shell else self.changes
            moment = Moment(rng.randint(1, most), rng.choice((0.0, rng.uniform(0, LONGEST))))
            if self._in_shell(here, moment) if shell else self._in_fork(here, moment):
                break
        self.counts["shell" if shell else "forked"] += 1
        self.counts["temporary files left"] += len(partials(here))
        wrong = self._look(here)
        self.counts["failures"] += bool(wrong)
        about = f"{self.scenario.name}, {moment.seconds:.4f} s after change {moment.change}{' (shell)' * shell}"
        return [f"{about}: {each}" for each in wrong]

    def _in_fork(self, here: Path, moment: Moment) -> bool:
        return run(self.scenario.command, here, moment).status == -signal.SIGKILL

    def _in_shell(self, here: Path, moment: Moment) -> bool:
        """Start the program as a user does, and kill it once so many changes were seen."""
        lfsgan, quiet = Path(sys.executable).with_name("lfsgan"), subprocess.DEVNULL
        command = [str(lfsgan), *map(str, self.scenario.command)]
        process = subprocess.Popen(command, cwd=here, stdout=quiet, stderr=quiet)
        give_up, seen, before = time.monotonic() + PATIENCE, 0, _glance(here)
        while process.poll() is None and seen < moment.change and time.monotonic() < give_up:
            time.sleep(POLL)
            now = _glance(here)
            seen, before = seen + (now != before), now
        time.sleep(moment.seconds)
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        self.seen = self.seen if killed else max(1, seen)
        return killed

    def _look(self, here: Path) -> list[str]:
        wrong = [f"{DAMAGED}: {each}" for each in damaged(here)]
        found = contents(here)
        wrong += [f"{LOST}: {name}" for name, either in self.allowed.items() if found.get(name) not in either]
        verify = (("tasks", "verify"),) if (here / BASE).exists() else ()
        for command in (*verify, self.scenario.look, self.scenario.finish(here)):
            end = run(command, here)
            if end.status != 0:
                wrong.append(f"{FAILED}: {' '.join(map(str, command))}: {end.said.splitlines()[-1:]}")
        shutil.rmtree(here / "look", ignore_errors=True)
        found = contents(here)
        names = sorted(found.keys() | self.new.keys())
        return wrong + [f"{DIFFERENT}: {name}" for name in names if found.get(name) != self.new.get(name)]


def _glance(folder: Path) -> list[tuple[str, int]]:
    """What is in a folder and those below, with sizes, as quickly as it can be had."""
    found, folders = [], [str(folder)]
    while folders:
        try:
            for entry in os.scandir(folders.pop()):
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    found.append((entry.path, entry.stat().st_size))
        except OSError:  # gone since it was listed
            continue
    return found


def main() -> int:
    """Zero where nothing was lost or damaged, and everything could be gone on with."""
    options = _options()
    scratch = Path(tempfile.mkdtemp(prefix="lfsgan-kills-"))
    killings: list[Killing] = []
    wrong: list[str] = []
    try:
        settle(scratch)
        chosen = [each for each in scenarios(scratch / "homes") if each.name in (options.names or [each.name])]
        killings = [Killing(scenario, scratch) for scenario in chosen]
        for found in _kills(killings, options):
            wrong += found
    except KeyboardInterrupt:
        print("interrupted: so far", file=sys.stderr)  # noqa: T201
    finally:
        shutil.rmtree(scratch)
    _tell(killings, wrong)
    return bool(wrong)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="in all (default: 500)")
    parser.add_argument("--shell", type=int, default=100, help="how many of them through the shell (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("names", nargs="*", metavar="COMMAND", help="such as 'tasks import' (default: all)")
    return parser.parse_args()


def _kills(killings: list[Killing], options: argparse.Namespace) -> Iterator[list[str]]:
    """What is wrong after each kill; said on the way, and how far it is."""
    rng = random.Random(options.seed)  # noqa: S311 - moments, no secrets
    for index in range(options.kills):
        found = killings[index % len(killings)].kill(rng, shell=index >= options.kills - options.shell)
        for each in found:
            print(f"kill {index}: {each}", file=sys.stderr, flush=True)  # noqa: T201
        if index % TELL_EVERY == 0:
            print(f"{index} of {options.kills}", file=sys.stderr, flush=True)  # noqa: T201
        yield found


def _tell(killings: list[Killing], wrong: list[str]) -> None:
    total: Counter[str] = Counter()
    for killing in killings:
        counts = killing.counts
        print(f"{killing.scenario.name}: {_spell(counts)}, {counts['failures']} with failures")  # noqa: T201
        total += counts
    kinds = ", ".join(f"{sum(kind in each for each in wrong)} × {kind}" for kind in (DAMAGED, LOST, FAILED, DIFFERENT))
    print(f"All: {_spell(total)}; {kinds}")  # noqa: T201


def _spell(counts: Counter[str]) -> str:
    kills = f"{counts['shell'] + counts['forked']} kills ({counts['shell']} through the shell)"
    return f"{kills}, {counts['temporary files left']} temporary files left"


if __name__ == "__main__":
    sys.exit(main())
