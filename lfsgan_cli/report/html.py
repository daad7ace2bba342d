"""Writes a report as one HTML file that needs no other file, no network and no script."""

from importlib.resources import files
from itertools import count
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lfsgan_cli import __version__
from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.errors import printable_lines
from lfsgan_cli.report.charts import COLOURS, NOISY, scatter_svg, svg
from lfsgan_cli.report.model import Cell, Chart, Page, Scatter
from lfsgan_cli.report.text import spell

MARK = '<meta name="generator" content="lfsgan report">'


def to_html(page: Page) -> str:
    """The page; equal pages give equal text."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True
    )
    numbers = count(1)

    def curve(chart: Chart) -> Markup:
        return svg(chart, f"chart-{next(numbers)}")

    def dots(scatter: Scatter) -> Markup:
        return scatter_svg(scatter, f"chart-{next(numbers)}")

    def is_number(cell: Cell) -> bool:
        return cell is None or isinstance(cell, int | float | Measured)

    def is_noisy(chart: Chart) -> bool:
        return any(len(series.points) >= NOISY for series in chart.series)

    environment.globals.update(
        mark=Markup(MARK),  # noqa: S704 - a constant
        version=__version__,
        curve=curve,
        dots=dots,
        spell=spell,
        is_number=is_number,
        is_noisy=is_noisy,
        colours=COLOURS,
    )
    source = (files("lfsgan_cli.report") / "page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(page=page) + "\n"


def _shown(value: Any) -> Any:
    """Text without what turns the direction of writing or cannot be written; markup stays as it is."""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value
