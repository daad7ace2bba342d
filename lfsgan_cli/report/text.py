"""Writes a page as Markdown: the same words and tables; pictures and curves are told of, and are in the HTML page."""

import csv
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.errors import printable, printable_lines
from lfsgan_cli.report.model import (
    Block,
    Cell,
    Chart,
    Facts,
    Gap,
    Listing,
    Page,
    PictureGrid,
    Section,
    SeedRows,
    Sheet,
    Table,
)

MARK = "<!-- lfsgan report -->"


def to_markdown(page: Page, html_name: str) -> str:
    """The page. html_name: the file beside it that holds the pictures."""
    parts = [MARK, f"# {_text(page.kind)} {_text(page.title)}", _text(page.intro), _facts(Facts("", page.facts))]
    for section in page.sections:
        parts += _section(section, 2, html_name)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section, level: int, html_name: str) -> list[str]:
    parts = [f"{'#' * level} {_text(section.title)}", _text(section.intro)]
    parts += [_block(block, f"{html_name}#{section.anchor}") for block in section.flat()]
    for part in section.sections:
        parts += _section(part, level + 1, html_name)
    return parts


def _block(block: Block, link: str) -> str:
    match block:
        case Table():
            return _table(block)
        case Chart():
            return _chart(block, link)
        case Facts():
            return _facts(block)
        case Listing(title=title, text=text):
            return f"**{_text(title)}**\n\n{_fenced(text)}"
        case Gap(title=title, why=why, command=command):
            way = f"\n\n{_fenced(command)}" if command else ""
            return f"> **{_text(title)}.** {_text(why)}{way}"
        case PictureGrid(title=title) | SeedRows(title=title) | Sheet(title=title):
            return f"*{_text(title)}: see [{_text(link.partition('#')[0])}]({link}).*"


def _table(block: Table) -> str:
    numbers = [bool(block.rows) and not isinstance(block.rows[0][index], str) for index in range(len(block.columns))]
    rule = "|".join("---:" if number else "---" for number in numbers)
    lines = [_row(block.columns), f"|{rule}|", *(_row([spell(cell) for cell in row]) for row in block.rows)]
    note = f"\n\n{_text(block.note)}" if block.note else ""
    return f"**{_text(block.title)}**\n\n" + "\n".join(lines) + note


def _chart(block: Chart, link: str) -> str:
    return f"*{_text(block.title)}: see [{_text(link.partition('#')[0])}]({link}). {_text(block.description)}*"


def _facts(block: Facts) -> str:
    return "\n".join(f"- {_text(term)}: {_text(value)}" for term, value in block.facts)


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{printable_lines(text.rstrip())}\n{fence}"


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _text(text: str) -> str:
    r"""Text in which nothing is a mark of Markdown or HTML, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(" ".join(text.split())))


# How the report spells numbers: as many digits as are read, the same in the page and in Markdown.


NONE = "–"
MINUTE, HOUR = 60, 3600
_DECIMALS = ((1000, 0), (100, 1), (1, 2), (0.1, 3), (0.001, 4))  # from this size on, so many decimals


def spell(cell: Cell) -> str:
    """A cell in words: '–' for none, '1,300', '108.7', '0.0213', '108.7 ± 2.1'."""
    match cell:
        case None:
            return NONE
        case str():
            return cell
        case int():
            return f"{cell:,}"
        case float():
            return _float(cell, _decimals(cell))
        case Measured(value, error):
            decimals = _decimals(value) if error is None else _finer(_decimals(value), error)
            return _float(value, decimals) + ("" if error is None else f" ± {_float(error, decimals)}")


def spell_seconds(seconds: float) -> str:
    """A duration: '12.3 s', '6 min 20 s', '1 h 5 min'."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def spell_bytes(count: int) -> str:
    """A size of a file: '0.97 MB'."""
    return f"{count / 1e6:.2f} MB"


def _float(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0"
    return f"{value:.2g}" if decimals is None else f"{value:,.{decimals}f}"


def _finer(decimals: int | None, error: float) -> int | None:
    """Up to two decimals more, where an error would be spelled as none at all."""
    if decimals is None or error == 0:
        return decimals
    return next((more for more in range(decimals, decimals + 2) if round(error, more)), decimals + 2)


def _decimals(value: float) -> int | None:
    return next((decimals for size, decimals in _DECIMALS if abs(value) >= size), None)


# Writes every number of a page as CSV in long form: one number a line, in full precision.


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


# The commands that make what a report lacks, as a user types them in this workspace.


_DEFAULT = "lfsgan_workspace"  # needs no --workspace on the command line


def learn(root: Path) -> str:
    """Learns the first task."""
    return _line(["learn-task", "--images", "DIR", "--name", "NAME"], root)


def measure(root: Path) -> str:
    """Measures every task against real pictures."""
    return _line(["evaluate", "--fid", "--reals", "DIR"], root)


def memorization(root: Path, name: str) -> str:
    """Looks for copies of the shots, and keeps a sheet of the closest pairs."""
    return _line(["evaluate", "--memorization", "--task", name], root)


def retention(root: Path) -> str:
    """Checks that every task is as it was when it was learned."""
    return _line(["evaluate", "--retention"], root)


def benchmark(suite: Path) -> str:
    """Goes on with a benchmark."""
    return shlex.join(["lfsgan", "benchmark", str(suite)])


def _line(words: Sequence[str], root: Path) -> str:
    place = [] if str(root) == _DEFAULT else ["--workspace", str(root)]
    return shlex.join(["lfsgan", *words, *place])
