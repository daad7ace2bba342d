"""The table tells slower from noise, and never mistakes one commit's code for another's."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import RECORDED
from tests.benchmarks.comparing import beside_commit, beside_recorded, read, verdict, write
from tests.benchmarks.running import BrokenBenchmarksError, Result, results

TREE = Path("somewhere")


def report(package: Path = TREE) -> dict[str, object]:
    return {
        "benchmarks": [
            {"name": "test_drawing", "extra_info": {"ratios": [9.0, 2.0, 3.0, 99.0, 1.0], "package": package}}
        ]
    }


def test_a_result_is_the_median_and_the_range_of_all_rounds_but_the_extreme_ones() -> None:
    assert results(report(), TREE) == {"drawing": Result(median=3.0, low=2.0, high=9.0)}


def test_other_code_than_was_asked_for_is_no_result() -> None:
    with pytest.raises(BrokenBenchmarksError, match="elsewhere"):
        results(report(Path("elsewhere")), TREE)


@pytest.mark.parametrize(
    ("now", "word"),
    [
        (Result(2.0, 1.9, 2.1), ""),
        (Result(3.0, 2.0, 3.5), ""),  # slower in the middle, but one round was as fast
        (Result(3.0, 2.9, 3.1), "slower"),
        (Result(1.0, 0.9, 1.1), "faster"),
    ],
)
def test_slower_is_what_is_slower_in_every_round(now: Result, word: str) -> None:
    assert verdict(now, Result(2.0, 1.8, 2.2)) == word


def test_a_benchmark_that_was_never_recorded_is_shown_all_the_same() -> None:
    [new, old] = beside_recorded({"new": Result(1, 1, 1), "old": Result(6, 6, 6)}, {"old": Result(4, 4, 4)})
    assert new[-1] == "not recorded"
    assert old[-2:] == ("1.50", "slower")


def test_rounds_of_two_commits_are_compared_one_by_one() -> None:
    ours = [{"drawing": Result(value, 0, 0)} for value in (1.0, 20.0, 3.0)]  # a busy machine in the second round
    theirs = [{"drawing": Result(value, 0, 0)} for value in (2.0, 40.0, 5.0)]
    assert beside_commit(ours, theirs) == [("drawing", "3.00", "5.00", "0.50", "0.50 to 0.60")]


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    found = {"drawing": Result(1.25, 1.0, 1.5)}
    write(tmp_path / "recorded.json", found)
    ratios, origin = read(tmp_path / "recorded.json")
    assert ratios == found
    assert origin.startswith("commit ")


def test_the_repository_has_a_record_of_every_benchmark() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    recorded, _ = read(RECORDED)
    assert len(recorded) >= 8
    assert [name for name in recorded if f"def test_{name}(" not in written] == []
