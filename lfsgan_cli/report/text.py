"""Writes a report as Markdown (images and curves as links to the HTML page) and as CSV, and spells its numbers."""

import csv
import io
import re
from collections.abc import Iterator

from lfsgan_cli.benchmark.results import Measured, spell_number
from lfsgan_cli.errors import printable, printable_lines
from lfsgan_cli.report.model import (
    Block,
    Cell,
    Chart,
    Facts,
    Gallery,
    Gap,
    ImageGrid,
    Listing,
    Page,
    Scatter,
    Section,
    SeedRows,
    Table,
)

MARK = "<!-- lfsgan report -->"
HEADER = ("section", "table", "row", "column", "value", "error")
NONE = "–"
MINUTE, HOUR = 60, 3600
_FORMULAS = ("=", "+", "-", "@")


def to_markdown(page: Page, html_name: str) -> str:
    """The page as Markdown. html_name: the file beside it that holds the images."""
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
        case Facts():
            return _facts(block)
        case Listing(title=title, text=text):
            return f"**{_text(title)}**\n\n{_fenced(text)}"
        case Gap(title=title, why=why, command=command):
            return f"> **{_text(title)}.** {_text(why)}" + (f"\n\n{_fenced(command)}" if command else "")
        case Chart() | Scatter() | Gallery() | SeedRows() | ImageGrid():
            said = f" {_text(block.description)}" if isinstance(block, Chart | Scatter) else ""
            return f"*{_text(block.title)}: see [{_text(link.partition('#')[0])}]({link}).{said}*"


def _table(block: Table) -> str:
    numbers = [bool(block.rows) and not isinstance(block.rows[0][index], str) for index in range(len(block.columns))]
    rule = "|".join("---:" if number else "---" for number in numbers)
    cells = (block.columns, *(map(spell, row) for row in block.rows))
    rows = [f"| {' | '.join(map(_text, row))} |" for row in cells]
    note = f"\n\n{_text(block.note)}" if block.note else ""
    return f"**{_text(block.title)}**\n\n" + "\n".join([rows[0], f"|{rule}|", *rows[1:]]) + note


def _facts(block: Facts) -> str:
    return "\n".join(f"- {_text(term)}: {_text(value)}" for term, value in block.facts)


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}text\n{printable_lines(text.rstrip())}\n{fence}"


def _text(text: str) -> str:
    r"""Text on one line, in which nothing is a mark of Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(" ".join(text.split())))


def to_csv(page: Page) -> str:
    """All numbers in full precision, one a line: cells of tables, points of charts (row: x, column: whose)."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER)
    for section in page.walk():
        for block in section.flat():
            for line in _lines(section.title, block):
                # Text that no spreadsheet takes for a formula.
                words = [f"'{word}" if word.startswith(_FORMULAS) else word for word in map(printable, line[:4])]
                writer.writerow((*words, *line[4:]))
    return file.getvalue()


def _lines(section: str, block: Block) -> Iterator[tuple[str, str, str, str, str, str]]:
    match block:
        case Table(title=title, columns=columns, rows=rows):
            for row in rows:
                for column, cell in zip(columns[1:], row[1:], strict=True):
                    value, error = (cell.value, cell.error) if isinstance(cell, Measured) else (cell, None)
                    number, its_error = ("" if one is None else str(one) for one in (value, error))
                    yield section, title, str(row[0]), column, number, its_error
        case Chart(title=title, series=series):
            for curve in series:
                yield from ((section, title, f"{x:g}", curve.name, repr(y), "") for x, y in curve.points)
        case Scatter(title=title, points=points):
            yield from ((section, title, f"{x:g}", name, repr(y), "") for name, x, y in points)
        case _:
            return


def spell(cell: Cell) -> str:
    """A cell as text: '–' for none, '1,300', '108.7', '0.0213', '108.7 ± 2.1'."""
    if cell is None:
        return NONE
    return spell_number(cell) if isinstance(cell, int | float) else str(cell)


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
