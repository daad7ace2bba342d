"""The proof that nothing was forgotten, or the command that gives it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.io.json import DamagedLinesError
from lfsgan_cli.report.model import Facts, Gap, Table
from lfsgan_cli.report.workspace import retention_section

KEPT: dict[str, Any] = {
    "retained": True,
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
    elsewhere = {**KEPT, "pictures": "other machine", "largest_difference": 1, "why": "other threads"}
    lost = {**KEPT, "retained": False, "task": False, "pictures": "differ", "largest_difference": 90, "why": "changed"}
    facts, table = check(tmp_path, owls=lost, dogs=elsewhere, cats=KEPT)
    assert facts.facts == (("checked", "2026-11-23 09:00 UTC"), ("unchanged", "2 of 3"))
    assert table.rows == (
        ("cats", "unchanged", "same", "same", "equal", 16, 0, ""),
        ("dogs", "unchanged", "same", "same", "other machine", 16, 1, "other threads"),
        ("owls", "not proven", "same", "not proven", "differ", 16, 90, "changed"),
    )


@pytest.mark.parametrize("change", [{"base": False}, {"task": False}, {"pictures": "differ"}])
def test_without_a_verdict_all_three_must_be_equal(tmp_path: Path, change: dict[str, Any]) -> None:
    told = {key: value for key, value in KEPT.items() if key != "retained"}
    assert check(tmp_path, cats=told)[0].facts[1] == ("unchanged", "1 of 1")
    assert check(tmp_path, cats={**told, **change})[0].facts[1] == ("unchanged", "0 of 1")


def test_what_was_only_just_recorded_is_no_proof(tmp_path: Path) -> None:
    facts, table = check(tmp_path, cats={**KEPT, "compared": 0})
    assert facts.facts[1] == ("unchanged", "0 of 1")
    assert table.rows[0][1] == "nothing to compare with yet"


def test_what_could_not_be_compared_is_no_proof(tmp_path: Path) -> None:
    facts, table = check(tmp_path, cats={"why": "no record"})
    assert facts.facts[1] == ("unchanged", "0 of 1")
    assert table.rows[0][1:] == ("not proven", "not compared", "not compared", "not compared", None, None, "no record")


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"checked": "now"}', '{"tasks": {"cats": 1}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    tmp_path.joinpath("retention.json").write_text(text)
    with pytest.raises(DamagedLinesError, match=r"retention\.json"):
        retention_section(tmp_path)


def test_reasons_have_a_column_only_where_there_is_one(tmp_path: Path) -> None:
    assert check(tmp_path, cats=KEPT)[1].columns[-1] == "largest difference"
    assert check(tmp_path, cats=KEPT, dogs={"why": "no record"})[1].columns[-1] == "why"
