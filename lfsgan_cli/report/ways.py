"""The commands that make what a report lacks, as a user types them in this workspace."""

import shlex
from collections.abc import Sequence
from pathlib import Path

_DEFAULT = "lfsgan_workspace"  # needs no --workspace on the command line


def learn(root: Path) -> str:
    """Learns the first task."""
    return _line(["learn-task", "--images", "DIR", "--name", "NAME"], root)


def measure(root: Path) -> str:
    """Measures every task against real pictures."""
    return _line(["evaluate", "--fid", "--reals", "DIR"], root)


def memorisation(root: Path, name: str) -> str:
    """Looks for copies of the shots, and keeps a sheet of the closest pairs."""
    return _line(["evaluate", "--memorisation", "--task", name], root)


def retention(root: Path) -> str:
    """Checks that every task is as it was when it was learned."""
    return _line(["evaluate", "--retention"], root)


def benchmark(suite: Path) -> str:
    """Goes on with a benchmark."""
    return shlex.join(["lfsgan", "benchmark", str(suite)])


def _line(words: Sequence[str], root: Path) -> str:
    place = [] if str(root) == _DEFAULT else ["--workspace", str(root)]
    return shlex.join(["lfsgan", *words, *place])
