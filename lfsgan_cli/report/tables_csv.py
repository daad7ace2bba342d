"""Writes every number of a page as CSV in long form: one number a line, in full precision."""

import csv
import io
from collections.abc import Iterator

from lfsgan_cli.report.model import Block, Cell, Chart, Measured, Page, Table
from lfsgan_cli.wording import printable

_FORMULAS = ("=", "+", "-", "@")
HEADER = ("section", "table", "row", "column", "value", "error")
Line = tuple[str, str, str, str, str, str]


def to_csv(page: Page) -> str:
    """The cells of all tables, and the points of all curves (row: x, column: the curve). Cells without a number: ''."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for section in page.walk():
        for block in section.flat():
            writer.writerows((*map(_plain, line[:4]), *line[4:]) for line in _lines(section.title, block))
    return file.getvalue()


def _lines(section: str, block: Block) -> Iterator[Line]:
    match block:
        case Table(title=title, columns=columns, rows=rows):
            for row in rows:
                for column, cell in zip(columns[1:], row[1:], strict=True):
                    yield section, title, str(row[0]), column, *_number(cell)
        case Chart(title=title, series=series):
            for curve in series:
                yield from ((section, title, f"{x:g}", curve.name, repr(y), "") for x, y in curve.points)
        case _:
            return


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{printable(text)}" if text.startswith(_FORMULAS) else printable(text)


def _number(cell: Cell) -> tuple[str, str]:
    match cell:
        case None:
            return "", ""
        case Measured(value, error):
            return repr(value), "" if error is None else repr(error)
        case _:
            return str(cell), ""
