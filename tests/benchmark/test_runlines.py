"""Finished steps of a benchmark: what is there is read, what a crash tore off is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.benchmark.results import RunLines
from lfsgan_cli.io.json import DamagedLinesError


def line(step: int) -> dict[str, Any]:
    costs = {"parameters": 5, "bytes": 20, "seconds": 1.5}
    return {"method": "left", "seed": 0, "step": step, "task": f"t{step}", "adapter": "left", **costs, "results": []}


def test_what_was_appended_is_there_for_the_next_process(tmp_path: Path) -> None:
    RunLines(tmp_path).append(line(1))
    lines = RunLines(tmp_path)
    assert ("left", 0, 1) in lines
    assert ("left", 0, 2) not in lines
    assert lines.get(("left", 0, 1)) == line(1)


def test_a_torn_line_does_not_count_and_is_cut_before_the_next_one(tmp_path: Path) -> None:
    for step in (1, 2):
        RunLines(tmp_path).append(line(step))
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    lines = RunLines(tmp_path)
    assert len(lines) == 1
    lines.append(line(3))
    assert [json.loads(text)["step"] for text in path.read_text().splitlines()] == [1, 3]


def test_a_line_of_something_else_is_named(tmp_path: Path) -> None:
    tmp_path.joinpath("runs.jsonl").write_text('{"method": "left"}\n')
    with pytest.raises(DamagedLinesError, match="line 1"):
        RunLines(tmp_path)
