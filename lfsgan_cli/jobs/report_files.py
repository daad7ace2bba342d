"""The three files of a report: where they go, what they may replace, and writing them whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import write_atomic
from lfsgan_cli.jobs.sheets import check_folder
from lfsgan_cli.report import html, markdown, tables_csv
from lfsgan_cli.report.model import Page


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


def _begins_with(path: Path, mark: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return mark.encode() in file.read(1024)
