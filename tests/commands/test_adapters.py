"""`lfsgan adapters` tells what can be learned with, and what each adapter can be told."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated, Literal
from lfsgan_cli.adapter import Adapter

class Shift(Adapter):
    """Shifts every bias.

    And more."""

    @dataclass(frozen=True)
    class Config:
        seed: int
        gain: Annotated[float, "How far."] = 0.5
        mode: Annotated[Literal["a", "b"], "Which way."] = "a"

class Plain(Adapter):
    @dataclass(frozen=True)
    class Config: ...
'''


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["adapters", *arguments])


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "shifty-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shifty\nVersion: 1.2\n")
    points = "shift = shifty:Shift\nplain = shifty:Plain\nbroken = shifty:Nothing\n"
    (info / "entry_points.txt").write_text(f"[lfsgan.adapters]\n{points}")
    (tmp_path / "shifty.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shifty", raising=False)


def test_the_list_names_each_adapter_its_distribution_and_purpose() -> None:
    result = run()
    assert result.exit_code == 0
    assert ["shift", "shifty", "Shifts", "every", "bias."] in [line.split() for line in result.stdout.splitlines()]


def test_a_broken_plugin_spoils_no_list() -> None:
    result = run()
    assert "Warning: adapter 'broken' of 'shifty' cannot be used" in result.stderr
    assert ["broken", "shifty", "(cannot", "be", "used)"] in [line.split() for line in result.stdout.splitlines()]


def test_one_adapter_shows_its_options() -> None:
    result = run("shift")
    assert result.exit_code == 0
    first, _, *lines = result.stdout.splitlines()
    assert first == "shift (shifty 1.2): Shifts every bias."
    assert [line.split(maxsplit=3) for line in lines[1:]] == [
        ["seed", "int", "required"],
        ["gain", "float", "0.5", "How far."],
        ["mode", "a|b", "a", "Which way."],
    ]


def test_an_adapter_may_have_nothing_to_be_told() -> None:
    assert "It has no options." in run("plain").stdout


def test_json_holds_the_same() -> None:
    document = json.loads(run("shift", "--json").stdout)
    assert (document["name"], document["distribution"], document["version"]) == ("shift", "shifty", "1.2")
    assert document["options"][:2] == [
        {"name": "seed", "type": "int", "help": "", "required": True},
        {"name": "gain", "type": "float", "help": "How far.", "required": False, "default": 0.5},
    ]
    assert "shift" in [adapter["name"] for adapter in json.loads(run("--json").stdout)["adapters"]]


def test_an_unknown_adapter_is_one_line() -> None:
    result = run("shfit")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did you mean 'shift'?" in result.stderr
    assert result.stderr.count("\n") == 1
