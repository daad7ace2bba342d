"""The report of a benchmark: draws what its methods learned, and puts the page together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.report_drawing import SEEDS, row
from lfsgan_cli.report.benchmark_drawings import Source, sources
from lfsgan_cli.report.benchmark_reading import page_of
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.reading import Drawings
from lfsgan_cli.report.runs import read_runs
from lfsgan_cli.taskfile import read_summary
from lfsgan_cli.taskfolder import task_path
from lfsgan_cli.workspace import Workspace


class RemovedError(LfsganError):
    """A workspace or a task of a finished step that was removed since."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is not there any more: put it back, or go without its pictures")


class BenchmarkReport:
    """A benchmark's folder; what cannot be drawn of its finished steps is told of in `refused`."""

    def __init__(self, folder: Path) -> None:
        """Raises DamagedLinesError for a line of `runs.jsonl` that is no run."""
        self.folder = folder
        self.runs = read_runs(folder)
        self.refused: dict[str, str] = {}
        self._sources = [source for source in sources(self.runs) if self._is_there(source)]

    def pictures(self) -> int:
        """How many will be drawn, at most."""
        return len(SEEDS) * len(self._sources)

    def page(self, device: torch.device, drawn: Callable[[int], None]) -> Page:
        """Draw, read and put together. drawn: told of so many more pictures."""
        rows = self._rows(device, drawn)
        return page_of(self.folder, self.runs, Drawings(SEEDS, rows, self.refused))

    def _is_there(self, source: Source) -> bool:
        root = self.folder / source.workspace
        if not root.is_dir():  # said once, not for each of its tasks
            self.refused[source.workspace] = str(RemovedError(root))
            return False
        try:
            _check(task_path(root, source.task))
        except LfsganError as error:
            self.refused[source.key] = str(error)
            return False
        return True

    def _rows(self, device: torch.device, drawn: Callable[[int], None]) -> Mapping[str, tuple[bytes, ...]]:
        workspaces = {source.workspace: Workspace(self.folder / source.workspace) for source in self._sources}
        rows = {}
        for source in self._sources:
            try:
                rows[source.key] = row(workspaces[source.workspace].generator(source.task, device), drawn)
            except LfsganError as error:  # damaged, of another base, or by an adapter that is not installed
                self.refused[source.key] = str(error)
        return rows


def _check(task: Path) -> None:
    if not task.is_file():
        raise RemovedError(task)
    read_summary(task)
