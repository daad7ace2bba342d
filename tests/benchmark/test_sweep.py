"""A sweep makes one method of each for every value, and the suite's copy runs the same again."""

import re
from pathlib import Path

import pytest

from lfsgan_cli.benchmark.suite import Suite, SuiteError, read_suite

SUITE = """
[suite] # a comment
name = "tiny"

[[task]]
name = "cats"
shots = "cats"
reals = "cats"

[[method]]
name = "left"
adapter = "left"
options = {rank = 2, biases = false}
training = {anchors = {every = 4}}

[[method]]
name = "full"
adapter = "full"
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tmp_path.joinpath("cats").mkdir()
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


def names(suite: Suite) -> list[str]:
    return [method.name for method in suite.methods]


def test_an_adapters_option_is_swept_where_there_is_one_and_other_methods_stay_as_they_are(suite: Path) -> None:
    found = read_suite(suite, None, "rank=1,4,14")
    assert names(found) == ["left-rank-1", "left-rank-4", "left-rank-14", "full"]
    assert [method.recipe.options.rank for method in found.methods[:3]] == [1, 4, 14]
    assert {method.recipe.options.biases for method in found.methods[:3]} == {False}  # as the suite has it


def test_a_setting_of_training_is_swept_over_all_methods(suite: Path) -> None:
    found = read_suite(suite, None, "anchors.every=2,8")
    assert names(found) == [f"{name}-anchors.every-{value}" for name in ("left", "full") for value in (2, 8)]
    assert [method.recipe.training.anchors.every for method in found.methods] == [2, 8, 2, 8]


def test_methods_are_chosen_by_the_name_in_the_suite_or_by_their_own(suite: Path) -> None:
    found = read_suite(suite, None, "rank=1,4")
    assert [method.name for method in found.some(["left"])] == ["left-rank-1", "left-rank-4"]
    assert [method.name for method in found.some(["left-rank-4"])] == ["left-rank-4"]


def test_the_copy_of_the_suite_holds_the_sweep(suite: Path, tmp_path: Path) -> None:
    found = read_suite(suite, None, "rank=1,4")
    copy = tmp_path / "suite.toml"
    copy.write_bytes(found.content)
    assert read_suite(copy, None).methods == found.methods
    assert read_suite(copy, None).content == found.content


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("rank", "expected KEY=VALUE,VALUE"),
        ("rank=", "expected KEY=VALUE,VALUE"),
        ("rank=1,1", "with different values"),
        ('rank="1"', "expected KEY=VALUE,VALUE"),
        ("rnak=1,2", "sweep of 'rnak': no method has such an option, and training has none"),
        ("rank=1,much", "method 'left-rank-much': -o: option rank='much': expected int"),
        ("steps=0,1", "steps is 0: expected at least 1"),
        ("recipe=paper", "no method has such an option"),
        ("seed=1,2", "seed in its training; expected seeds = [...] in [suite]"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_in_one_line(suite: Path, sweep: str, words: str) -> None:
    with pytest.raises(SuiteError, match=re.escape(words)) as error:
        read_suite(suite, None, sweep)
    assert "\n" not in str(error.value)


def test_a_suite_with_a_sweep_takes_no_other(suite: Path, tmp_path: Path) -> None:
    copy = tmp_path / "suite.toml"
    copy.write_bytes(read_suite(suite, None, "rank=1,4").content)
    with pytest.raises(SuiteError, match="expected TOML, and it is none"):
        read_suite(copy, None, "rank=2")
