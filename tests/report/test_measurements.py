"""Later numbers replace earlier ones in tables, and all of them are on the curve."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.io.json import DamagedLinesError
from lfsgan_cli.report.measurements import RecordedMetric, base_table, histories, read_metrics, task_table

FID = "fid[tiny] n=4 reals=5"


def noted(path: Path, *lines: dict[str, Any]) -> list[RecordedMetric]:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return read_metrics(path)


def fid(value: float, reals: str = "aa", name: str = FID, **more: Any) -> dict[str, Any]:
    return {"metric": "fid", "name": name, "value": value, "reals": {"name": f"{reals}.zip", "sha256": reals}, **more}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_the_table_has_the_latest_of_each_name_and_a_gap_where_there_is_none(path: Path) -> None:
    cats = noted(path, fid(9.0), fid(7.0, error=0.5), fid(3.0, name="fid[tiny] n=9 reals=5"))
    dogs = noted(path, fid(8.0))
    table = task_table({"cats": cats, "dogs": dogs})
    assert table.columns == ("metric", "cats", "dogs")
    assert table.rows == (
        (f"{FID} ↓", Measured(7.0, 0.5), Measured(8.0)),
        ("fid[tiny] n=9 reals=5 ↓", Measured(3.0), None),
    )


def test_what_an_error_means_is_said_once(path: Path) -> None:
    of_blocks: dict[str, Any] = {"error": 0.5, "error_is": "the standard deviation between blocks"}
    table = task_table({"cats": noted(path, fid(7.0, **of_blocks)), "dogs": noted(path, fid(8.0, **of_blocks))})
    assert table.note.count("fid ± the standard deviation between blocks.") == 1
    assert "±" not in task_table({"cats": noted(path, fid(7.0))}).note


def test_more_is_better_of_some_and_of_others_nothing_is_said(path: Path) -> None:
    lines = noted(path, {"metric": "recall", "name": "r", "value": 1}, {"metric": "own", "name": "o", "value": 1})
    assert [row[0] for row in task_table({"cats": lines}).rows] == ["r ↑", "o"]


def test_the_base_is_shown_against_the_reals_of_each_task(path: Path) -> None:
    measured = {"cats": noted(path, fid(7.0, "aa")), "dogs": noted(path, fid(8.0, "bb"))}
    base = noted(path, fid(20.0, "bb"), fid(10.0, "aa"), fid(30.0, "cc"), fid(11.0, "aa"))
    table = base_table(base, measured)
    assert table.columns == ("metric", "cats", "dogs", "cc.zip")
    assert table.rows == ((f"{FID} ↓", Measured(11.0), Measured(20.0), Measured(30.0)),)


def test_a_metric_without_reals_is_no_obstacle(path: Path) -> None:
    base = noted(path, {"metric": "b_lpips", "name": "b", "value": 0.2, "reals": None})
    assert base_table(base, {}).columns == ("metric", "without real images")


def test_only_what_was_measured_again_has_a_history(path: Path) -> None:
    lines = noted(path, fid(9.0), fid(3.0, name="once"), fid(7.0))
    [chart] = histories(lines)
    assert chart.title == f"{FID} ↓"
    assert chart.series[0].points == ((1.0, 9.0), (2.0, 7.0))
    assert "measured 2 times: 9 at first, 7 at last" in chart.description


def test_no_file_is_no_number_and_a_damaged_line_is_named(path: Path) -> None:
    assert read_metrics(path) == []
    noted(path, fid(1.0))
    for wrong in ("nonsense", "[1]", '{"metric": "fid"}'):
        path.write_text(f"{json.dumps(fid(1.0))}\n{wrong}\n")
        with pytest.raises(DamagedLinesError, match="line 2: expected"):
            read_metrics(path)
