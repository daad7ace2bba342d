"""The report of a benchmark: draws what its methods learned, and puts the page together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from lfsgan_cli.benchmark.results import RUNS, read_runs
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.image_grid import to_arrays
from lfsgan_cli.generation.output import check_folder
from lfsgan_cli.generation.sampling import sample, usual_batch
from lfsgan_cli.images.png import THUMBNAIL, encode
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.report import html, text
from lfsgan_cli.report.benchmark import Source, page_of, sources
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.workspace import BASE, BaseFacts, Drawings, read_workspace
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.paths import BASE_FILE, NoWorkspaceError, base_path, task_names, task_path
from lfsgan_cli.workspace.task_file import TaskSummary, read_summary
from lfsgan_cli.workspace.workspace import Workspace


class RemovedError(LfsganError):
    """A workspace or a task of a finished step that was removed since."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is missing: restore it, or report without its images")


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


# The three files of a report: where they go, what they may replace, and writing them whole.


class ForeignReportError(LfsganError):
    """A file of somebody else where the report would go."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{str(path)!r} was not written by `lfsgan report` and will not be replaced: "
            "name another file with --out, or move it"
        )


@dataclass(frozen=True)
class ReportFiles:
    """Where a report goes: the page, and the same as Markdown and CSV beside it."""

    html: Path

    @property
    def markdown(self) -> Path:
        """The page as Markdown."""
        return self.html.with_suffix(".md")

    @property
    def csv(self) -> Path:
        """Its numbers."""
        return self.html.with_suffix(".csv")

    def check(self) -> None:
        """Refuse to replace what an earlier report did not write, or a folder that cannot be made."""
        check_folder(self.html.parent)
        marks = {self.html: html.MARK, self.markdown: text.MARK, self.csv: ",".join(text.HEADER)}
        for path, mark in marks.items():
            if path.exists() and not _begins_with(path, mark):
                raise ForeignReportError(path)

    def write(self, page: Page) -> None:
        """All three files, each whole."""
        self.html.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.markdown, text.to_markdown(page, self.html.name).encode())
        write_atomic(self.csv, text.to_csv(page).encode())
        write_atomic(self.html, html.to_html(page).encode())


def _begins_with(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.encode() in file.read(1024)


# The report of a workspace: draws the base and every task, and puts the page together.


class WorkspaceReport:
    """A workspace and its tasks; those whose files cannot be read are told of in `refused`."""

    def __init__(self, root: Path) -> None:
        base_path(root)
        self.workspace = Workspace(root)
        self.summaries: dict[str, TaskSummary] = {}
        self.refused: dict[str, str] = {}
        for name in task_names(root):
            try:
                self.summaries[name] = read_summary(task_path(root, name))
            except LfsganError as error:
                self.refused[name] = str(error)

    def pictures(self) -> int:
        """How many will be drawn, at most."""
        return len(SEEDS) * (1 + len(self.summaries))

    def page(self, device: torch.device, drawn: Callable[[int], None]) -> Page:
        """Draw, read and put together. drawn: told of so many more pictures."""
        summary = base_file.read_summary(self.workspace.base_path)
        rows = {BASE: row(self.workspace.base.average.to(device), drawn), **self._rows(device, drawn)}
        base = BaseFacts(
            summary.name, summary.identity, summary.network.resolution, summary.parameters, summary.file_bytes
        )
        return read_workspace(self.workspace.root, base, self.summaries, Drawings(SEEDS, rows, self.refused))

    def _rows(self, device: torch.device, drawn: Callable[[int], None]) -> Mapping[str, tuple[bytes, ...]]:
        rows = {}
        for name in self.summaries:
            try:
                rows[name] = row(self.workspace.generator(name, device), drawn)
            except LfsganError as error:  # of another base, or by an adapter that is not installed
                self.refused[name] = str(error)
        return rows


# Reporting: tells what a folder holds, and opens the report of it.


Kind: TypeAlias = Literal["workspace", "benchmark"]
Report: TypeAlias = WorkspaceReport | BenchmarkReport


class NothingToReportError(LfsganError):
    """A folder of something else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{str(folder)!r} is neither a workspace (there is no 'base.safetensors') nor a benchmark "
            f"(there is no {RUNS!r}): name a folder that `lfsgan learn-task` or `lfsgan benchmark` made"
        )


def kind_of(folder: Path) -> Kind:
    """What a folder holds. NoWorkspaceError where there is none, NothingToReportError where it is something else."""
    if not folder.exists():
        raise NoWorkspaceError(folder)
    if (folder / RUNS).is_file():
        return "benchmark"
    if (folder / BASE_FILE).is_file():
        return "workspace"
    raise NothingToReportError(folder)


def open_report(folder: Path) -> Report:
    """What will be reported of a folder; raises as `kind_of` and the readers do."""
    return BenchmarkReport(folder) if kind_of(folder) == "benchmark" else WorkspaceReport(folder)


# Drawing for a report: the same seeds by every generator, as PNGs.


SEEDS = tuple(range(10))


def row(generator: Generator, drawn: Callable[[int], None]) -> tuple[bytes, ...]:
    """A PNG for each of SEEDS. drawn: told of so many more pictures."""
    pictures: list[bytes] = []
    batch_size = usual_batch(generator.config, generator.w_mean.device)
    for batch in sample(generator, SEEDS, batch=batch_size):
        pictures += [encode(picture, {}, THUMBNAIL) for picture in to_arrays(batch)]
        drawn(len(batch))
    return tuple(pictures)
