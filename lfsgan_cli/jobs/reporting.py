"""Reporting: draws what the page of a workspace needs, reads the rest, and writes page, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from lfsgan_cli import basefile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import write_atomic
from lfsgan_cli.jobs.sheets import check_folder, to_arrays
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.pictures.png import encode
from lfsgan_cli.report import html, markdown, tables_csv
from lfsgan_cli.report.benchmark_reading import read_benchmark
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.reading import BASE, BaseFacts, Drawings, read_workspace
from lfsgan_cli.report.runs import RUNS
from lfsgan_cli.sampling import draw
from lfsgan_cli.taskfile import TaskSummary, read_summary
from lfsgan_cli.taskfolder import NoWorkspaceError, base_path, task_names, task_path
from lfsgan_cli.workspace import Workspace

SEEDS = tuple(range(10))
BATCH = 16

Kind: TypeAlias = Literal["workspace", "benchmark"]


class NothingToReportError(LfsganError):
    """A folder of something else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{str(folder)!r} is neither a workspace (there is no 'base.safetensors') nor a benchmark "
            f"(there is no {RUNS!r}): name a folder that `lfsgan learn-task` or `lfsgan benchmark` made"
        )


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
        marks = {self.html: html.MARK, self.markdown: markdown.MARK, self.csv: ",".join(tables_csv.HEADER)}
        for path, mark in marks.items():
            if path.exists() and not _begins_with(path, mark):
                raise ForeignReportError(path)

    def write(self, page: Page) -> None:
        """All three files, each whole."""
        self.html.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.markdown, markdown.to_markdown(page, self.html.name).encode())
        write_atomic(self.csv, tables_csv.to_csv(page).encode())
        write_atomic(self.html, html.to_html(page).encode())


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
        summary = basefile.read_summary(self.workspace.base_path)
        rows = {BASE: _row(self.workspace.base.average.to(device), drawn), **self._rows(device, drawn)}
        base = BaseFacts(
            summary.name, summary.identity, summary.network.resolution, summary.parameters, summary.file_bytes
        )
        return read_workspace(self.workspace.root, base, self.summaries, Drawings(SEEDS, rows, self.refused))

    def _rows(self, device: torch.device, drawn: Callable[[int], None]) -> Mapping[str, tuple[bytes, ...]]:
        rows = {}
        for name in self.summaries:
            try:
                rows[name] = _row(self.workspace.generator(name, device), drawn)
            except LfsganError as error:  # of another base, or by an adapter that is not installed
                self.refused[name] = str(error)
        return rows


class BenchmarkReport:
    """A benchmark's folder; nothing is drawn for it."""

    refused: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._page = read_benchmark(folder)

    def pictures(self) -> int:
        """None."""
        return 0

    def page(self, _device: torch.device, _drawn: Callable[[int], None]) -> Page:
        """What was read."""
        return self._page


def kind_of(folder: Path) -> Kind:
    """What a folder holds. NoWorkspaceError where there is none, NothingToReportError where it is something else."""
    if not folder.exists():
        raise NoWorkspaceError(folder)
    if (folder / RUNS).is_file():
        return "benchmark"
    if (folder / "base.safetensors").is_file():
        return "workspace"
    raise NothingToReportError(folder)


def open_report(folder: Path) -> WorkspaceReport | BenchmarkReport:
    """What will be reported of a folder; raises as `kind_of` and the readers do."""
    return BenchmarkReport(folder) if kind_of(folder) == "benchmark" else WorkspaceReport(folder)


def _row(generator: Generator, drawn: Callable[[int], None]) -> tuple[bytes, ...]:
    row: list[bytes] = []
    for pictures in draw(generator, SEEDS, batch=BATCH):
        row += [encode(picture, {}) for picture in to_arrays(pictures)]
        drawn(len(pictures))
    return tuple(row)


def _begins_with(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.encode() in file.read(1024)
