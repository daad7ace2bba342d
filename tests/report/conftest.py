"""A page's HTML as a list of elements, and a benchmark's folder with numbers made by hand."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.benchmark.results import read_runs
from lfsgan_cli.report.benchmark import page_of
from lfsgan_cli.report.images import Samples
from lfsgan_cli.report.model import Page


def about(value: float) -> Any:
    """A number up to rounding, where a number is expected."""
    return pytest.approx(value)


CONDITIONS = {"conditions": {"device": "cpu"}, "machine": {"torch": "2.13.0"}}
TASKS = ("cats", "dogs", "owls")
FID = "fid[tiny] n=4 reals=5"
COVERAGE = "coverage[tiny] n=4 reals=5"
# A[t][i] for i <= t. `left` keeps what it learned; `full` loses 10 and then 30 of cats, and 20 of dogs.
FIDS = {"left": ([10.0], [10.0, 20.0], [10.0, 20.0, 30.0]), "full": ([10.0], [20.0, 20.0], [40.0, 40.0, 30.0])}
COVERAGES = {"left": ([0.8], [0.8, 0.7], [0.8, 0.7, 0.6]), "full": ([0.8], [0.5, 0.7], [0.2, 0.4, 0.6])}


@dataclass
class Element:
    """A start tag, its attributes, and the text directly in it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Elements(HTMLParser):
    """Every element of a page in order; unbalanced tags are noted."""

    found: list[Element] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    VOID = ("img", "meta", "link", "br", "hr", "input")

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(Element(tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(self.found[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop().tag != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data

    def of(self, *tags: str) -> list[Element]:
        return [element for element in self.found if element.tag in tags]


def elements(html: str) -> Elements:
    """A page, parsed."""
    parser = Elements()
    parser.feed(html)
    parser.close()
    return parser


def run_line(method: str, seed: int, step: int, shift: float) -> dict[str, Any]:
    """A finished run; `shift` is added to every distance, so that seeds differ by a known amount.

    `full` is one network for all domains, so that each step has a number for every one; `left` has a file for each.
    """
    sequential = method == "full"
    results = [
        {
            "domain": TASKS[index],
            "metric": metric,
            "name": name,
            "value": values[method][step - 1][index] + by,
        }
        for metric, name, values, by in (("fid", FID, FIDS, shift), ("coverage", COVERAGE, COVERAGES, 0.0))
        for index in range(0 if sequential else step - 1, step)
    ]
    return {
        "method": method,
        "seed": seed,
        "step": step,
        "task": TASKS[step - 1],
        "adapter": method,
        "parameters": 1000,
        "bytes": 4_000_000,
        "seconds": 60.0 + seed * 2,
        "peak_memory_mb": 500.0 + step,
        "sequential": sequential,
        "results": results,
    }


def all_lines() -> list[dict[str, Any]]:
    """Two methods, two seeds whose distances are 1 and 3 above the table, three steps."""
    seeds, steps = ((0, 1.0), (1, 3.0)), range(1, len(TASKS) + 1)
    return [run_line(method, seed, step, shift) for method in FIDS for seed, shift in seeds for step in steps]


def write_lines(folder: Path, lines: Iterable[dict[str, Any]]) -> None:
    """These steps under one line of conditions."""
    folder.joinpath("runs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in [CONDITIONS, *lines]))


def benchmark_page(folder: Path) -> Page:
    """The page of what can be read, without samples."""
    return page_of(folder, read_runs(folder), Samples((), {}, {}))


def write_benchmark(folder: Path) -> Path:
    """The folder of that benchmark."""
    folder.mkdir()
    write_lines(folder, all_lines())
    folder.joinpath("suite.toml").write_text('[[tasks]]\nname = "cats"  # <b>\n')
    return folder


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    return all_lines()


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_benchmark(tmp_path / "bench")
