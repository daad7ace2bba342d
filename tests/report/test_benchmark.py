"""The page of a benchmark: methods against tasks, costs, and what is forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.benchmark.results import Interval, Measured
from lfsgan_cli.io.json import DamagedLinesError
from lfsgan_cli.report.model import Chart, Gap, Listing, Page, Scatter, Table
from tests.report.conftest import COVERAGE, FID, about, benchmark_page

SPREAD = about(2**0.5)  # of two seeds that lie 2 apart


def tables(page: Page, anchor: str) -> dict[str, Table]:
    [section] = [one for one in page.walk() if one.anchor == anchor]
    return {block.title: block for block in section.flat() if isinstance(block, Table)}


def test_after_the_last_step_every_method_has_a_row_with_mean_and_spread_over_seeds(bench: Path) -> None:
    table = tables(benchmark_page(bench), "results")[f"{FID} ↓"]
    assert table.columns == ("method", "cats", "dogs", "owls", "mean")
    # The seeds are 1 and 3 above the numbers of the table, so their mean is 2 above.
    assert table.rows[0] == ("left", *(Measured(value, SPREAD) for value in (12.0, 22.0, 32.0, 22.0)))
    assert table.rows[1][1:3] == (Measured(42.0, SPREAD), Measured(42.0, SPREAD))


def test_forgetting_has_the_sign_of_worse_for_either_kind_of_metric(bench: Path) -> None:
    table = tables(benchmark_page(bench), "forgetting")["Average forgetting"]
    assert table.columns == ("metric", "left", "full")
    # full, fid: (40 - 10 + 40 - 20) / 2 = 25 more; coverage: (0.8 - 0.2 + 0.7 - 0.4) / 2 = 0.45 less.
    assert table.rows == (
        (FID, Measured(0.0, 0.0), Measured(25.0, 0.0)),
        (COVERAGE, Measured(0.0, 0.0), Measured(about(0.45), 0.0)),
    )


def test_one_figure_shows_forgetting_of_one_network_beside_files_that_never_change(bench: Path) -> None:
    [section] = [one for one in benchmark_page(bench).walk() if one.anchor == "forgetting"]
    [chart] = [block for block in section.flat() if isinstance(block, Chart)]
    assert {series.name: series.points for series in chart.series} == {
        "left": ((1.0, 0.0), (2.0, 0.0), (3.0, 0.0)),
        "full": ((1.0, 0.0), (2.0, 10.0), (3.0, 25.0)),
    }
    assert "nothing can be forgotten: left." in chart.note
    assert "One network for all tasks: full." in chart.note


def test_methods_are_compared_with_the_first_one_domain_by_domain(bench: Path) -> None:
    found = tables(benchmark_page(bench), "comparison")
    means = found[f"{FID} ↓, mean over all domains"]
    assert means.rows[0] == ("left", Interval(22.0, None, 21.0, 23.0))
    against = found[f"{FID} ↓, less left"]
    # The seeds shift both methods alike: what is left is the same with every seed.
    assert against.rows == (
        ("full", Interval(30.0, None, 30.0, 30.0), Interval(20.0, None, 20.0, 20.0), Interval(0.0, None, 0.0, 0.0)),
    )
    assert against.note == "full is worse than left on cats, dogs; as good as left, within noise, on owls."
    assert "full is worse than left on cats, dogs;" in found[f"{COVERAGE} ↑, less left"].note


def test_one_seed_is_said_to_tell_nothing_of_noise(bench: Path, lines: list[dict[str, Any]]) -> None:
    some = [line for line in lines if line["seed"] == 0]
    bench.joinpath("runs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in some))
    against = tables(benchmark_page(bench), "comparison")[f"{FID} ↓, less left"]
    assert against.rows[0][1] == Interval(30.0)
    assert against.note == "Only one seed ran: whether a difference is more than noise is not known."


def test_size_is_plotted_against_quality_with_the_front_of_what_nothing_beats(
    bench: Path, lines: list[dict[str, Any]]
) -> None:
    small = [{**line, "method": "small", "bytes": 8000} for line in lines if line["method"] == "full"]
    bench.joinpath("runs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in [*lines, *small]))
    [section] = [one for one in benchmark_page(bench).walk() if one.anchor == "costs"]
    [scatter] = [block for block in section.flat() if isinstance(block, Scatter)]
    assert [name for name, *_ in scatter.points] == ["left", "full", "small"]
    assert scatter.points[2] == ("small", 8.0, about((42 + 42 + 32) / 3))
    assert scatter.front == ("left", "small")  # full is as large as left, and worse


def test_the_matrix_has_a_row_for_each_step_and_nothing_above_the_diagonal(bench: Path) -> None:
    matrix = tables(benchmark_page(bench), "forgetting-1")["A[t][i] of full"]
    assert [row[0] for row in matrix.rows] == ["1: cats", "2: dogs", "3: owls"]
    means = [[cell.value if isinstance(cell, Measured) else cell for cell in row[1:]] for row in matrix.rows]
    assert means == [[12.0, None, None], [22.0, 22.0, None], [42.0, 42.0, 32.0]]


def test_the_first_domain_is_generated_over_the_steps(bench: Path) -> None:
    [chart] = [
        block
        for section in benchmark_page(bench).walk()
        if section.anchor == "forgetting-1"
        for block in section.flat()
        if isinstance(block, Chart)
    ]
    assert {series.name: series.points for series in chart.series} == {
        "left": ((1.0, 12.0), (2.0, 12.0), (3.0, 12.0)),
        "full": ((1.0, 12.0), (2.0, 22.0), (3.0, 42.0)),
    }


def test_costs_are_given_per_task(bench: Path) -> None:
    [table] = tables(benchmark_page(bench), "costs").values()
    seconds = Measured(61.0, about((6 / 5) ** 0.5))  # 60 three times, 62 three times
    assert table.rows[0] == ("left", "left", 1000, 4.0, seconds, 503.0)


def test_a_method_that_was_stopped_is_compared_with_nothing_it_has_not_done(
    bench: Path, lines: list[dict[str, Any]]
) -> None:
    some = [line for line in lines if line["method"] == "left" or line["step"] == 1]
    bench.joinpath("runs.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in some))
    page = benchmark_page(bench)
    table = tables(page, "results")[f"{FID} ↓"]
    assert table.rows[1] == ("full", Measured(12.0, SPREAD), None, None, Measured(12.0, SPREAD))
    assert "full is at step 1 of 3." in table.note
    assert tables(page, "forgetting")["Average forgetting"].rows[0][2] is None


def test_a_line_torn_by_a_crash_is_left_out_and_any_other_damage_is_named(bench: Path) -> None:
    path = bench / "runs.jsonl"
    whole = benchmark_page(bench)
    with path.open("a") as file:
        file.write('{"method": "le')
    assert benchmark_page(bench) == whole
    path.write_text('{"method": "left"}\n' + path.read_text())
    with pytest.raises(DamagedLinesError, match="line 1: expected a finished run"):
        benchmark_page(bench)


def test_the_suite_stands_in_the_page_as_it_is(bench: Path) -> None:
    suite = benchmark_page(bench).sections[-1]
    assert suite.blocks == (Listing("suite.toml", bench.joinpath("suite.toml").read_text()),)


def test_a_benchmark_that_has_only_begun_says_how_to_go_on(bench: Path) -> None:
    bench.joinpath("runs.jsonl").write_text("")
    [gap] = benchmark_page(bench).sections[0].blocks
    assert isinstance(gap, Gap)
    assert gap.command == f"lfsgan benchmark {bench / 'suite.toml'}"
