"""The report of a workspace: draws the base and every task, and puts the page together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from lfsgan_cli import basefile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.report_drawing import SEEDS, row
from lfsgan_cli.report.model import Page
from lfsgan_cli.report.reading import BASE, BaseFacts, Drawings, read_workspace
from lfsgan_cli.taskfile import TaskSummary, read_summary
from lfsgan_cli.taskfolder import base_path, task_names, task_path
from lfsgan_cli.workspace import Workspace


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
