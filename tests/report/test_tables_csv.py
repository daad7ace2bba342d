"""The CSV has every number of the page, whole."""

import csv
import io
from pathlib import Path

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.report.model import Chart, Page, Section, Series, Table
from lfsgan_cli.report.text import HEADER, to_csv
from tests.report.conftest import FID, benchmark_page


def rows(page: Page) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(page))))


def test_a_number_has_all_its_digits_and_its_error() -> None:
    table = Table("t", ("task", "a", "b", "c"), (("cats, big", Measured(1 / 3, 0.1), None, 235936),))
    chart = Chart("curve", "", "step", (Series("d", ((10, 0.1),)),))
    found = rows(Page("Workspace", "w", "", (), (Section("s", "section", (table, chart)),)))
    assert [tuple(row.values()) for row in found] == [
        ("section", "t", "cats, big", "a", repr(1 / 3), "0.1"),
        ("section", "t", "cats, big", "b", "", ""),
        ("section", "t", "cats, big", "c", "235936", ""),
        ("section", "curve", "10", "d", "0.1", ""),
    ]
    assert tuple(found[0]) == HEADER


def test_subsections_are_there_as_well(bench: Path) -> None:
    [value] = [
        row["value"]
        for row in rows(benchmark_page(bench))
        if (row["section"], row["table"], row["row"], row["column"])
        == (f"{FID} ↓", "A[t][i] of full", "3: owls", "dogs")
    ]
    assert float(value) == 42.0
