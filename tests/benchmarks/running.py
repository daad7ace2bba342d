"""Runs the benchmarks on the code of a working tree, in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.system.device import SETTINGS

ROOT = Path(__file__).parent.parent.parent


class BrokenBenchmarksError(Exception):
    """They did not run to their end, or not on the code that they should."""


@dataclass(frozen=True)
class Result:
    """Ratios: their median, the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: list[float]) -> "Result":
        return cls(statistics.median(ratios), min(ratios), max(ratios))


def run(tree: Path = ROOT) -> dict[str, Result]:
    """The results of this tree's benchmarks on the code of another (or this one), by their names."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "pytest", "-q", "-m", "benchmark", "-p", "no:cacheprovider", "-p", "no:xdist",
            "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), f"--benchmark-json={report}",
            str(ROOT / "tests" / "benchmarks"),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokenBenchmarksError(done.stdout + done.stderr)
        document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return results(document, tree)


def _environment(tree: Path) -> dict[str, str]:
    """The tree's code before whatever is installed, one thread, and torch as the program sets it up."""
    paths = os.pathsep.join([str(tree), str(tree / "adapters")])
    return {**os.environ, **SETTINGS, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def results(document: Mapping[str, Any], tree: Path) -> dict[str, Result]:
    """Out of a report of pytest-benchmark's, without the least and the greatest round of each.

    BrokenBenchmarksError where other code ran than that of the tree.
    """
    found: dict[str, Result] = {}
    for benchmark in document["benchmarks"]:
        extra = benchmark["extra_info"]
        if Path(extra["package"]).resolve() != tree.resolve():
            raise BrokenBenchmarksError(f"ran the code in {extra['package']}, not that in {tree}\n")
        found[benchmark["name"].removeprefix("test_")] = Result.of(sorted(extra["ratios"])[1:-1])
    return found


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A commit of this repository in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str:
    """What git says. BrokenBenchmarksError where it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokenBenchmarksError(done.stderr)
    return done.stdout.strip()
