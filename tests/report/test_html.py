"""The page is one file that everybody can read, whatever the names in it."""

import subprocess
import sys

import numpy as np
import pytest

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.generation.output import encode
from lfsgan_cli.report.html import to_html
from lfsgan_cli.report.model import (
    Beside,
    Block,
    Chart,
    Facts,
    Gallery,
    Gap,
    ImageGrid,
    Listing,
    Page,
    Picture,
    Section,
    SeedRows,
    Series,
    Table,
)
from tests.report.conftest import Elements, elements

NASTY = "<script>alert('\"&')</script>"
DOT = Picture(encode(np.zeros((3, 5, 3), np.uint8), {}), f"a dot {NASTY}")
BLOCKS: tuple[Block, ...] = (
    Table(f"table {NASTY}", ("task", NASTY), ((NASTY, Measured(1.0, 0.5)), ("cats", None)), NASTY),
    Gallery("gallery", (DOT, DOT), NASTY),
    SeedRows("seeds", (0, 1), ((NASTY, (DOT, DOT)),), NASTY),
    ImageGrid("grid", DOT, NASTY),
    Chart(NASTY, NASTY, "step", (Series(NASTY, ((1, 2), (2, 3))), Series("b", ((1, 2), (2, 3)))), NASTY),
    Facts("", ((NASTY, NASTY),)),
    Listing("suite.toml", NASTY),
    Gap(NASTY, NASTY, NASTY),
)
PAGE = Page(
    "Workspace",
    NASTY,
    NASTY,
    ((NASTY, NASTY),),
    (
        Section("one", NASTY, BLOCKS, NASTY, (Section("part", "part", (Beside(BLOCKS),)),)),
        Section("two", "two", ()),
    ),
)


@pytest.fixture(scope="module")
def page() -> Elements:
    return elements(to_html(PAGE))


def test_every_element_is_closed(page: Elements) -> None:
    assert page.unbalanced == []


def test_there_is_no_script_and_no_name_becomes_markup(page: Elements) -> None:
    assert page.of("script", "iframe", "object", "link", "base", "form") == []
    assert not [name for element in page.found for name in element.attributes if name.startswith("on")]
    assert [one.text for one in page.of("h1")] == [NASTY]


def test_nothing_outside_the_file_is_referred_to(page: Elements) -> None:
    assert "http:" not in to_html(PAGE)
    assert "https:" not in to_html(PAGE)
    assert "url(" not in to_html(PAGE)
    assert "@import" not in to_html(PAGE)
    sources = [element.attributes.get(name) or "" for element in page.found for name in ("src", "srcset", "data")]
    assert all(source.startswith("data:image/png;base64,") for source in sources if source)
    anchors = {element.attributes.get("id") for element in page.found}
    assert {str(link.attributes["href"]) for link in page.of("a")} <= {f"#{anchor}" for anchor in anchors}


def test_every_image_says_what_it_shows_and_how_large_it_is(page: Elements) -> None:
    images = page.of("img")
    assert len(images) == 2 * (2 + 2 + 1)  # twice the blocks
    assert all(image.attributes["alt"] for image in images)
    assert {(image.attributes["width"], image.attributes["height"]) for image in images} == {("5", "3")}


def test_headings_go_down_one_level_at_a_time_from_one_first(page: Elements) -> None:
    levels = [int(heading.tag[1]) for heading in page.of("h1", "h2", "h3", "h4")]
    assert levels == [1, 2, 3, 2]


def test_no_two_elements_have_one_name(page: Elements) -> None:
    names = [element.attributes["id"] for element in page.found if "id" in element.attributes]
    assert len(names) == len(set(names))
    referred = [
        name for element in page.found for name in (element.attributes.get("aria-labelledby") or "").split() if name
    ]
    assert set(referred) <= set(names)


def test_language_width_and_both_colour_schemes_are_declared(page: Elements) -> None:
    assert page.of("html")[0].attributes["lang"] == "en"
    metas = {meta.attributes.get("name"): meta.attributes.get("content") for meta in page.of("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert "prefers-color-scheme: dark" in page.of("style")[0].text


def test_what_may_be_wide_scrolls_in_a_place_of_its_own_that_the_keyboard_reaches(page: Elements) -> None:
    scrolling = [element for element in page.found if element.attributes.get("class") == "scroll"]
    assert len(scrolling) == 2 * 3  # table, seed rows and listing, twice
    assert all(element.attributes["tabindex"] == "0" and element.attributes["aria-label"] for element in scrolling)


def test_numbers_are_spelled_as_everywhere(page: Elements) -> None:
    assert [cell.text for cell in page.of("td") if cell.attributes.get("class") == "number"][:2] == ["1.00 ± 0.50", "–"]


def test_equal_pages_are_equal_files() -> None:
    assert to_html(PAGE) == to_html(PAGE)


def test_writing_a_page_does_without_torch() -> None:
    program = (
        "import sys\nfrom lfsgan_cli.report import benchmark, charts, html, text, workspace\n"
        "print(*sorted({'torch', 'numpy', 'PIL'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "\n"
