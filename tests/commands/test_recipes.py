"""`lfsgan recipes` lists every training setting, and errors of `-t` and `-o` point to the lists."""

import json

import pytest
from typer.testing import CliRunner, Result

from lfsgan_cli import options
from lfsgan_cli.app import app
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipe_settings import PAPER
from tests.conftest import Program


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["recipes", *arguments])


def test_every_setting_has_a_type_a_default_and_a_meaning() -> None:
    lines = {line.split()[0]: line.split() for line in run().stdout.splitlines() if line}
    for field in options.describe(LearnConfig):
        words = lines[field.name]
        assert words[1:3] == [field.type, options.spell(field.default)]
        assert field.help
        assert words[3] == field.help.split()[0]


def test_every_recipe_is_listed_with_what_it_does_its_formula_and_its_paper() -> None:
    first, *_ = run().stdout.split("\n\n")
    heading, *rows = first.splitlines()
    assert heading.split()[0] == "recipe"
    assert {row.split()[0] for row in rows} >= {"default", "paper", "tgan", "freezed", "ada", "ewc", "cdc", "dcl"}
    [cdc] = [row for row in rows if row.startswith("cdc")]
    assert "λ E_i KL" in cdc
    assert "Ojha et al., 2021" in cdc


def test_a_recipe_shows_what_it_changes() -> None:
    names = [line.split()[0] for line in run("paper").stdout.splitlines() if line]
    assert set(PAPER.training) <= {*names}
    assert "-o gates=hard" in run("paper").stdout
    assert "changes no setting" in run("default").stdout


def test_json_holds_the_same() -> None:
    document = json.loads(run("--json").stdout)
    recipes = {one["name"]: one for one in document["recipes"]}
    assert document["recipes"][0]["name"] == "default"
    assert recipes["ewc"]["formula"].startswith("λ Σ_i F_i")
    assert recipes["paper"]["options"]["left"]["rank"] == 1
    steps = next(one for one in document["settings"] if one["name"] == "steps")
    assert (steps["default"], steps["values"]["default"], steps["values"]["paper"]) == (1000, 1000, 3002)


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
