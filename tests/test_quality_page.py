"""The numbers in the tables of docs/quality.md, and in the README's, are those of the runs whose lines are here."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNS = ROOT / "examples" / "benchmarks"
FID, B_LPIPS = "fid[efficientnet-lite0] n=2000 reals=2000", "b_lpips[lpips-efficientnet-lite0] n=1000"


@dataclass(frozen=True)
class Grid:
    """A table of the page. source: where the last paragraph before it that links to runs leads first."""

    columns: list[str]
    rows: list[list[str]]
    source: Path

    def under_metrics(self) -> Iterator[tuple[str, dict[str, str]]]:
        """The metric and the cells by column of every row; a metric is written in the first of its rows alone."""
        metric = ""
        for row in self.rows:
            metric = _quoted(row[0]) or metric
            yield metric, dict(zip(self.columns, row, strict=True))


@dataclass(frozen=True)
class Shown:
    """A number of the page, with as many decimals as stand there."""

    text: str

    def is_of(self, value: float) -> bool:
        """Whether it is the value, rounded; a half goes either way."""
        half = 0.5 * 10.0 ** -len(self.text.partition(".")[2])
        return abs(float(self.text) - value) <= half + 1e-9


def _quoted(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    return found[1] if found else ""


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _grids() -> Iterator[Grid]:
    source = RUNS
    for is_table, lines in groupby(PAGE.splitlines(), key=lambda line: line.startswith("|")):
        if is_table:
            head, _, *rows = map(_cells, lines)
            yield Grid(head, rows, source)
        else:
            links = (re.findall(r"\(\.\./(examples/benchmarks/[\w./-]+)\)", line) for line in lines)
            source = [source, *(ROOT / of_line[0] for of_line in links if of_line)][-1]


@cache
def _runs(source: Path) -> list[dict[str, Any]]:
    lines = (source / "runs.jsonl" if source.is_dir() else source).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _value(run: dict[str, Any], metric: str) -> float | None:
    """Of the domain that the run learned, right after it; None where that was not measured."""
    if "results" not in run:
        return run.get(metric)
    wanted = metric, run["task"], run["step"]
    return next((r["value"] for r in run["results"] if (r["name"], r["domain"], r["measured_at"]) == wanted), None)


def _of(runs: list[dict[str, Any]], method: str, task: str, metric: str) -> list[float]:
    chosen = (run for run in runs if (run.get("method"), run["task"]) == (method, task))
    return [value for run in chosen if (value := _value(run, metric)) is not None]


def _of_a_row(grid: Grid, name: str, task: str, metric: str) -> list[float]:
    """Of a row that stands for one run: of the table's own suite, or of a former default."""
    former = re.fullmatch(r"the default of (\w+)", name)
    runs = _runs(RUNS / f"trials-{former[1]}.jsonl" if former else grid.source)
    return _of(runs, "default" if former else name, task, metric)


GRIDS = list(_grids())
OF_SEEDS = [grid for grid in GRIDS if "seeds" in grid.columns]
OF_ONE_RUN = [grid for grid in GRIDS if grid.columns[:2] == ["", "method"] and "seeds" not in grid.columns]
OF_METRICS = [grid for grid in GRIDS if any(_quoted(column) == FID for column in grid.columns)]
OF_PAIRS = [grid for grid in GRIDS if "settings" in grid.columns]


def test_the_page_has_tables_of_every_kind() -> None:
    assert (len(OF_SEEDS), len(OF_ONE_RUN), len(OF_METRICS), len(OF_PAIRS)) == (4, 2, 1, 2)


@pytest.mark.parametrize("grid", OF_SEEDS, ids=lambda grid: grid.source.name)
def test_a_cell_is_the_mean_and_the_spread_of_as_many_runs_as_its_row_says(grid: Grid) -> None:
    runs = _runs(grid.source)
    for metric, row in grid.under_metrics():
        low, _, high = row["seeds"].partition("–")
        for task in grid.columns[3:-1]:
            values = _of(runs, row["method"], task, metric)
            mean, _, spread = row[task].partition(" ± ")
            place = metric, row["method"], task
            assert bool(mean) == bool(values), place
            assert not mean or (Shown(mean).is_of(fmean(values)) and int(low) <= len(values) <= int(high or low)), place
            assert not spread or Shown(spread).is_of(stdev(values)), place


@pytest.mark.parametrize("grid", OF_SEEDS, ids=lambda grid: grid.source.name)
def test_the_mean_over_domains_is_there_when_all_of_them_have_run(grid: Grid) -> None:
    runs = _runs(grid.source)
    for metric, row in grid.under_metrics():
        each = [_of(runs, row["method"], task, metric) for task in grid.columns[3:-1]]
        place = metric, row["method"]
        assert bool(row["mean"]) == all(each), place
        assert not row["mean"] or Shown(row["mean"]).is_of(fmean(map(fmean, each))), place


@pytest.mark.parametrize("grid", OF_ONE_RUN, ids=lambda grid: grid.source.name)
def test_a_cell_without_seeds_is_of_the_one_run_there_is(grid: Grid) -> None:
    for metric, row in grid.under_metrics():
        for task in grid.columns[2:]:
            values = _of_a_row(grid, row["method"], task, metric)
            assert len(values) == bool(row[task]), (metric, row["method"], task)
            assert not values or Shown(row[task]).is_of(values[0]), (metric, row["method"], task)


@pytest.mark.parametrize("grid", OF_METRICS, ids=lambda grid: grid.source.name)
def test_a_row_of_metrics_is_of_one_recorded_run(grid: Grid) -> None:
    (task,) = {run["task"] for run in _runs(grid.source)}
    for row in grid.rows:
        for column, cell in zip(grid.columns, row, strict=True):
            if metric := _quoted(column):
                (value,) = _of_a_row(grid, row[0], task, metric)
                assert Shown(cell).is_of(value), (row[0], metric)


@pytest.mark.parametrize("grid", OF_PAIRS, ids=lambda grid: grid.rows[0][0])
def test_a_pair_of_a_trial_is_of_a_recorded_run_in_its_domain(grid: Grid) -> None:
    runs = [run for source in (*RUNS.glob("trials*.jsonl"), RUNS / "quality") for run in _runs(source)]
    for row in grid.rows:
        for task, cell in zip(grid.columns[2:], row[2:], strict=True):
            known = [(_value(run, FID), _value(run, B_LPIPS)) for run in runs if run["task"] == task]
            assert all(any(_is_pair(shown, pair) for pair in known) for shown in _pairs(cell)), (row[1], task)


def test_the_readme_shows_the_first_seed_of_the_default() -> None:
    _, _, table = README.partition("| style | the base itself | after ten drawings | share |\n|---|---:|---:|---:|\n")
    rows = [_cells(line) for line in table.partition("\n\n")[0].splitlines()]
    first = [run for run in _runs(RUNS / "quality") if run["seed"] == 0]
    assert len(rows) == 3
    for style, base, after, share in rows:
        (value,) = _of(first, "default", style, FID)
        assert Shown(after).is_of(value), style
        assert Shown(share).is_of(value / float(base)), style


def _pairs(cell: str) -> Iterator[tuple[Shown, Shown]]:
    """Of `121.1, 102.3 / 0.211, 0.256` the first of each, then the second; of an empty cell none."""
    if cell:
        fids, variety = (map(Shown, side.split(", ")) for side in cell.replace("*", "").split(" / "))
        yield from zip(fids, variety, strict=True)


def _is_pair(shown: tuple[Shown, Shown], pair: tuple[float | None, float | None]) -> bool:
    return all(value is not None and one.is_of(value) for one, value in zip(shown, pair, strict=True))
