"""Reporting: tells what a folder holds, and opens the report of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.report_benchmark import BenchmarkReport
from lfsgan_cli.jobs.report_workspace import WorkspaceReport
from lfsgan_cli.report.runs import RUNS
from lfsgan_cli.taskfolder import BASE_FILE, NoWorkspaceError

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
