"""Finished steps of a benchmark: what is there is read, what a crash tore off is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.benchmark.results import RunLines, read_runs
from lfsgan_cli.io.json import DamagedLinesError

SHARED = {"conditions": {"device": "cpu"}, "machine": {"torch": "2.13.0"}}


def line(step: int, *results: dict[str, Any]) -> dict[str, Any]:
    costs = {"parameters": 5, "bytes": 20, "seconds": 1.5}
    about = {"method": "left", "seed": 0, "step": step, "task": f"t{step}", "adapter": "left", "sequential": False}
    return {**about, **costs, "results": list(results)}


def test_what_was_appended_is_there_for_the_next_process(tmp_path: Path) -> None:
    RunLines(tmp_path).append(line(1), SHARED)
    lines = RunLines(tmp_path)
    assert ("left", 0, 1) in lines
    assert ("left", 0, 2) not in lines
    assert lines.get(("left", 0, 1)) == line(1)


def test_a_torn_line_does_not_count_and_is_cut_before_the_next_one(tmp_path: Path) -> None:
    for step in (1, 2):
        RunLines(tmp_path).append(line(step), SHARED)
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    lines = RunLines(tmp_path)
    assert len(lines) == 1
    lines.append(line(3), SHARED)
    assert [json.loads(text).get("step") for text in path.read_text().splitlines()] == [None, 1, 3]


def test_a_line_of_something_else_is_named(tmp_path: Path) -> None:
    tmp_path.joinpath("runs.jsonl").write_text('{"method": "left"}\n')
    with pytest.raises(DamagedLinesError, match="line 1"):
        RunLines(tmp_path)


def test_conditions_are_written_once_and_again_where_they_change(tmp_path: Path) -> None:
    other = {**SHARED, "machine": {"torch": "2.14.0"}}
    for step, shared in enumerate((SHARED, SHARED, other, other), start=1):
        RunLines(tmp_path).append(line(step), shared)
    written = [json.loads(text) for text in tmp_path.joinpath("runs.jsonl").read_text().splitlines()]
    assert [each.get("step") for each in written] == [None, 1, 2, None, 3, 4]
    assert [written[0], written[3]] == [SHARED, other] == RunLines(tmp_path).conditions


@pytest.mark.parametrize(("sequential", "known"), [(False, ["cats", "dogs"]), (True, ["dogs"])])
def test_task_files_keep_the_numbers_of_earlier_steps_and_one_network_does_not(
    tmp_path: Path, sequential: bool, known: list[str]
) -> None:
    for step, domain in enumerate(("cats", "dogs"), start=1):
        result = {"domain": domain, "metric": "fid", "name": "fid[tiny] n=4 reals=5", "value": float(step)}
        RunLines(tmp_path).append({**line(step, result), "sequential": sequential}, SHARED)
    assert [one.domain for one in read_runs(tmp_path)[1].results] == known


@pytest.mark.parametrize("wrong", [{"conditions": 3}, {**line(1), **SHARED}], ids=["a number", "before 0.1.0"])
def test_conditions_that_are_none_are_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    tmp_path.joinpath("runs.jsonl").write_text(json.dumps(wrong) + "\n")
    with pytest.raises(DamagedLinesError, match=r"line 1.*the conditions of a benchmark"):
        RunLines(tmp_path)
