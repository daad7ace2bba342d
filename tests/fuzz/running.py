"""Starts the processes that read damaged files, and sums up what became of them."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
IN_A_PROCESS = 2000  # files; what one process leaks would otherwise pass for what a file takes


@dataclass
class Summary:
    """What became of all files. died: files that ended the process, by a crash or after their time was up."""

    files: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.failures or self.executed or self.died or self.outside)

    def add(self, line: str) -> None:
        """One file that was done."""
        outcome = json.loads(line)
        self.files[outcome["group"]] += 1
        self.verdicts.update(outcome["verdicts"].items())
        self.failures += outcome["failures"]
        self.executed += outcome["executed"]
        self.seconds, self.memory = max(self.seconds, outcome["seconds"]), max(self.memory, outcome["memory"])


def fuzz(folder: Path, first: int, files: int) -> Summary:
    """Files `first` … given to all readers of their group; `folder` was prepared by `samples.prepare`."""
    summary, before = Summary(), _tree(folder)
    at, end = first, first + files
    while at < end:
        count = min(IN_A_PROCESS, end - at)
        done = _process(folder, at, count, summary)
        if done < count:
            if not (folder / "now").exists():
                raise RuntimeError(summary.failures[-1])
            summary.died.append((folder / "now").read_text())
            done += 1
        at += done
    summary.outside = sorted(_tree(folder) - before - {"now"})
    return summary


def _process(folder: Path, first: int, count: int, summary: Summary) -> int:
    """How many files were done before the process ended."""
    command = [sys.executable, "-m", "tests.fuzz.worker", str(folder), str(first), str(count)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "adapters"), os.environ.get("PYTHONPATH", "")])
    places = {"HOME": "", "TMPDIR": "", "LFSGAN_CACHE_DIR": "cache", "TORCHINDUCTOR_CACHE_DIR": "odd-cache"}
    scratch = {name: str(folder / place) for name, place in places.items()}
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **scratch, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    for line in lines:
        summary.add(line)
    if len(lines) < count:
        summary.failures.append(f"the process ended with {run.returncode}: {run.stderr[-1500:]}")
    return len(lines)


def _tree(folder: Path) -> set[str]:
    """All that is in the folder but what damaged files are put in place of."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "odd" not in path.name}
