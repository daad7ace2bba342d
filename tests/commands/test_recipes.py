"""`lfsgan recipes` lists every training setting, and errors of `-t` and `-o` point to the lists."""

import json

import pytest
from typer.testing import CliRunner, Result

from lfsgan_cli import options
from lfsgan_cli.app import app
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import PAPER
from tests.conftest import Program


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["recipes", *arguments])


def test_every_setting_has_a_type_a_value_in_each_recipe_and_a_meaning() -> None:
    lines = {line.split()[0]: line.split() for line in run().stdout.splitlines() if line}
    for field in options.describe(LearnConfig):
        words = lines[field.name]
        assert words[1:3] == [field.type, options.spell(field.default)]
        assert field.help
        assert words[4] == field.help.split()[0]


def test_a_recipe_shows_what_it_changes() -> None:
    names = [line.split()[0] for line in run("paper").stdout.splitlines()[1:] if line]
    assert set(PAPER.training) <= {*names}
    assert "-o gates=hard" in run("paper").stdout
    assert "changes no setting" in run("default").stdout


def test_json_holds_the_same() -> None:
    document = json.loads(run("--json").stdout)
    assert document["recipes"] == ["default", "paper"]
    steps = next(one for one in document["settings"] if one["name"] == "steps")
    assert (steps["default"], steps["values"]) == (1000, {"default": 1000, "paper": 3002})


def test_an_unknown_recipe_is_one_line() -> None:
    result = run("papre")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "did you mean 'paper'?" in result.stderr


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("-t", "stesp=1"), "`lfsgan recipes` lists"),
        (("-t", "mode_seeking.weight=much"), "`lfsgan recipes` lists"),
        (("-o", "rnak=1"), "`lfsgan adapters left` lists"),
        (("-o", "rank"), "`lfsgan adapters left` lists"),
    ],
)
def test_a_mistaken_setting_points_to_the_list(program: Program, pair: tuple[str, str], words: str) -> None:
    line = program.refused("learn-task", "--images", "cats", "--name", "cats", *pair)
    assert line.startswith(f"Error: {pair[0]}: ")
    assert words in line
