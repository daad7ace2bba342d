"""Writes a page as Markdown: the same words and tables; pictures and curves are told of, and are in the HTML page."""

import re

from lfsgan_cli.report.model import (
    Block,
    Chart,
    Facts,
    Gallery,
    Gap,
    Listing,
    Page,
    Section,
    SeedRows,
    Sheet,
    Table,
)
from lfsgan_cli.report.spelling import spell
from lfsgan_cli.wording import printable, printable_lines

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
        case Gallery(title=title) | SeedRows(title=title) | Sheet(title=title):
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
