"""The finished steps of a benchmark, one line of JSON each: read, completed, and never written twice."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lfsgan_cli.report.jsonlines import read_lines
from lfsgan_cli.report.runs import RUNS, read_runs

Line: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, int, int]  # method, seed, step


class RunLines:
    """`runs.jsonl` of a benchmark's folder."""

    def __init__(self, folder: Path) -> None:
        """DamagedLinesError names a line that no benchmark wrote; one torn by a crash does not count."""
        self.path = folder / RUNS
        keys = [(run.method, run.seed, run.step) for run in read_runs(folder)]
        self._lines: dict[Key, Line] = dict(zip(keys, read_lines(self.path), strict=True))

    def __contains__(self, key: Key) -> bool:
        return key in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, key: Key) -> Line | None:
        """The line of a step, if it is finished."""
        return self._lines.get(key)

    def all(self) -> list[Line]:
        """Every line in order."""
        return list(self._lines.values())

    def append(self, line: Line) -> None:
        """Add a finished step; what a crash tore off before it is cut first."""
        text = json.dumps(line, sort_keys=True, allow_nan=False) + "\n"
        self._cut()
        with self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self._lines[line["method"], line["seed"], line["step"]] = json.loads(text)

    def _cut(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)
