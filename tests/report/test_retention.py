"""The proof that nothing was forgotten, or the command that gives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.report.jsonlines import DamagedLinesError
from lfsgan_cli.report.model import Facts, Gap, Table
from lfsgan_cli.report.retention import retention_section

KEPT: dict[str, Any] = {
    "base": True,
    "task": True,
    "pictures": "equal",
    "largest_difference": 0,
    "compared": 16,
    "why": "",
}


def check(root: Path, **tasks: Any) -> tuple[Facts, Table]:
    found = {"checked": "2026-11-23T09:00:00+00:00", "tasks": tasks}
    root.joinpath("retention.json").write_text(json.dumps(found))
    facts, table = retention_section(root).blocks
    assert isinstance(facts, Facts)
    assert isinstance(table, Table)
    return facts, table


def test_what_was_not_checked_says_how_to_check_it(tmp_path: Path) -> None:
    [gap] = retention_section(tmp_path).blocks
    assert isinstance(gap, Gap)
    assert gap.command == f"lfsgan evaluate --retention --workspace {tmp_path}"


def test_every_task_has_a_row_in_words(tmp_path: Path) -> None:
    other = {**KEPT, "pictures": "differ", "largest_difference": 1, "why": "other thread count"}
    facts, table = check(tmp_path, dogs=other, cats=KEPT)
    assert facts.facts == (("checked", "2026-11-23 09:00 UTC"), ("unchanged", "1 of 2"))
    assert table.rows == (
        ("cats", "unchanged", "unchanged", "equal", 16, 0, ""),
        ("dogs", "unchanged", "unchanged", "differ", 16, 1, "other thread count"),
    )


@pytest.mark.parametrize("part", ["base", "task"])
def test_a_change_is_called_one(tmp_path: Path, part: str) -> None:
    facts, table = check(tmp_path, cats={**KEPT, part: False})
    assert facts.facts[1] == ("unchanged", "0 of 1")
    assert table.rows[0][1:3].count("changed") == 1


def test_what_could_not_be_compared_is_no_proof(tmp_path: Path) -> None:
    facts, table = check(tmp_path, cats={"why": "no record"})
    assert facts.facts[1] == ("unchanged", "0 of 1")
    assert table.rows == (("cats", "not compared", "not compared", "not compared", None, None, "no record"),)


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"checked": "now"}', '{"tasks": {"cats": 1}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    tmp_path.joinpath("retention.json").write_text(text)
    with pytest.raises(DamagedLinesError, match=r"retention\.json"):
        retention_section(tmp_path)
