"""Builds the report of a folder: finds out what it holds, generates the samples, makes the page and writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from lfsgan_cli.benchmark.results import RUNS, read_runs
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import check_folder, encode, to_arrays
from lfsgan_cli.generation.sampling import sample, usual_batch
from lfsgan_cli.images.formats import THUMBNAIL
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.report import html, text
from lfsgan_cli.report.benchmark import Source, page_of, sources
from lfsgan_cli.report.images import Samples
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.workspace import BASE, BaseFacts, read_workspace
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.paths import BASE_FILE, NoWorkspaceError, base_path, task_names, task_path
from lfsgan_cli.workspace.task_file import TaskSummary, read_summary
from lfsgan_cli.workspace.workspace import Workspace

SEEDS = tuple(range(10))

Kind: TypeAlias = Literal["workspace", "benchmark"]
Generated: TypeAlias = Callable[[int], None]  # called with the number of further images


class NothingToReportError(LfsganError):
    """A folder that is neither."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{str(folder)!r} is neither a workspace (there is no 'base.safetensors') nor a benchmark "
            f"(there is no {RUNS!r}): name a folder that `lfsgan learn-task` or `lfsgan benchmark` made"
        )


class RemovedError(LfsganError):
    """A workspace or a task of a finished step that is gone."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is missing: restore it, or report without its images")


class ForeignReportError(LfsganError):
    """A file that lfsgan did not write, where the report would go."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{str(path)!r} was not written by `lfsgan report` and will not be replaced: "
            "name another file with --out, or move it"
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
    """The report of a folder; raises as `kind_of` and the readers do."""
    return BenchmarkReport(folder) if kind_of(folder) == "benchmark" else WorkspaceReport(folder)


class WorkspaceReport:
    """A workspace and its tasks. refused: tasks without samples, and why."""

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
        """How many images will be generated, at most."""
        return len(SEEDS) * (1 + len(self.summaries))

    def page(self, device: torch.device, generated: Generated) -> Page:
        """Generate, read and make the page."""
        workspace = self.workspace
        summary = base_file.read_summary(workspace.base_path)
        networks: dict[str, Callable[[], Generator]] = {BASE: lambda: workspace.base.average.to(device)}
        networks |= {name: partial(workspace.generator, name, device) for name in self.summaries}
        base = BaseFacts(
            summary.name, summary.identity, summary.network.resolution, summary.parameters, summary.file_bytes
        )
        return read_workspace(workspace.root, base, self.summaries, _samples(networks, self.refused, generated))


class BenchmarkReport:
    """A benchmark's folder. refused: finished steps without samples, and why."""

    def __init__(self, folder: Path) -> None:
        """Raises DamagedLinesError for a line of `runs.jsonl` that is no run."""
        self.folder = folder
        self.runs = read_runs(folder)
        self.refused: dict[str, str] = {}
        self._sources = [source for source in sources(self.runs) if self._is_there(source)]

    def pictures(self) -> int:
        """How many images will be generated, at most."""
        return len(SEEDS) * len(self._sources)

    def page(self, device: torch.device, generated: Generated) -> Page:
        """Generate, read and make the page."""
        workspaces = {source.workspace: Workspace(self.folder / source.workspace) for source in self._sources}
        networks = {
            source.key: partial(workspaces[source.workspace].generator, source.task, device) for source in self._sources
        }
        return page_of(self.folder, self.runs, _samples(networks, self.refused, generated))

    def _is_there(self, source: Source) -> bool:
        root = self.folder / source.workspace
        if not root.is_dir():  # said once, not for each of its tasks
            self.refused[source.workspace] = str(RemovedError(root))
            return False
        try:
            path = task_path(root, source.task)
            if not path.is_file():
                raise RemovedError(path)
            read_summary(path)
        except LfsganError as error:
            self.refused[source.key] = str(error)
            return False
        return True


Report: TypeAlias = WorkspaceReport | BenchmarkReport


def _samples(networks: Mapping[str, Callable[[], Generator]], refused: dict[str, str], generated: Generated) -> Samples:
    """A PNG for each of SEEDS from every network, one in memory at a time; those that cannot be had are refused."""
    rows = {}
    for key, network in networks.items():
        try:
            generator = network()
        except LfsganError as error:  # damaged, of another base, or by an adapter that is not installed
            if key == BASE:
                raise
            refused[key] = str(error)
            continue
        pictures: list[bytes] = []
        for batch in sample(generator, SEEDS, batch=usual_batch(generator.config, generator.w_mean.device)):
            pictures += [encode(picture, {}, THUMBNAIL) for picture in to_arrays(batch)]
            generated(len(batch))
        rows[key] = tuple(pictures)
    return Samples(SEEDS, rows, refused)


@dataclass(frozen=True)
class ReportFiles:
    """The files of a report: the HTML page, and the same as Markdown and CSV beside it."""

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
        """Write all three files, each whole."""
        self.html.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.markdown, text.to_markdown(page, self.html.name).encode())
        write_atomic(self.csv, text.to_csv(page).encode())
        write_atomic(self.html, html.to_html(page).encode())


def _begins_with(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.encode() in file.read(1024)
