"""The Markdown says what the page says, and points to the page for images."""

import re
from pathlib import Path

from lfsgan_cli.report.model import Gap, Listing, Page, Section, Table
from lfsgan_cli.report.text import to_markdown
from tests.report.conftest import benchmark_page


def text(*blocks: Table | Gap | Listing) -> str:
    return to_markdown(Page("Workspace", "w", "intro", (), (Section("s", "section", blocks),)), "r.html")


def test_a_table_has_as_many_cells_in_every_row() -> None:
    lines = text(Table("t", ("task", "a|b"), (("cats", 0.5), ("dogs", None)))).splitlines()
    assert "| task | a\\|b |" in lines
    assert "|---|---:|" in lines
    assert "| cats | 0.500 |" in lines
    assert "| dogs | – |" in lines


def test_no_name_becomes_a_mark() -> None:
    assert "\\<b\\>\\_x\\_\\*y\\*" in text(Gap("<b>_x_*y*", "why"))


def test_a_listing_may_hold_fences_itself() -> None:
    assert "````text\n```\ninside\n```\n````" in text(Listing("suite.toml", "```\ninside\n```\n"))


def test_what_is_missing_comes_with_its_command() -> None:
    assert "> **No number.** why\n\n```text\nlfsgan evaluate --fid\n```" in text(
        Gap("No number", "why", "lfsgan evaluate --fid")
    )


def test_a_benchmark_has_every_table_and_a_link_for_every_curve(bench: Path) -> None:
    page = benchmark_page(bench)
    written = to_markdown(page, "r.html")
    blocks = [block for section in page.walk() for block in section.flat()]
    assert len(re.findall(r"^\|(-+:?\|)+$", written, flags=re.MULTILINE)) == sum(isinstance(b, Table) for b in blocks)
    assert written.count("](r.html#forgetting-") == 2
    assert "| left | 12.00 ± 1.41 | 22.00 ± 1.41 | 32.00 ± 1.41 | 22.00 ± 1.41 |" in written
