"""`lfsgan adapters` tells what can be learned with, and what each adapter can be told."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.workspace.base_file import read_summary

PLUGIN = '''
from dataclasses import dataclass
from typing import Annotated, Literal
from torch import nn, zeros
from lfsgan_cli.adapter import Adapter

class Shift(Adapter):
    """Shifts every bias.

    And more."""

    paper = "Shifty et al., 2020"

    @dataclass(frozen=True)
    class Config:
        seed: int
        gain: Annotated[float, "How far."] = 0.5
        mode: Annotated[Literal["a", "b"], "Which way."] = "a"

class Plain(Adapter):
    """One number for each channel of w."""

    @dataclass(frozen=True)
    class Config: ...

    def __init__(self, network, config):
        super().__init__()
        self.weights["mapping.layers.0.bias"] = nn.ParameterList([zeros(network.config.w_dim)])

class Picky(Plain):
    """Works on no network."""

    def __init__(self, network, config):
        raise RuntimeError("no network is good enough")
'''


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["adapters", *arguments])


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "shifty-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shifty\nVersion: 1.2\n")
    points = "shift = shifty:Shift\nplain = shifty:Plain\npicky = shifty:Picky\nbroken = shifty:Nothing\n"
    (info / "entry_points.txt").write_text(f"[lfsgan.adapters]\n{points}")
    (tmp_path / "shifty.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)  # without a workspace: the embedded base
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shifty", raising=False)


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()]


def test_the_list_names_each_adapter_its_purpose_paper_and_distribution() -> None:
    result = run()
    assert result.exit_code == 0
    assert ["shift", "-", "Shifts", "every", "bias.", "Shifty", "et", "al.,", "2020", "shifty"] in rows(result)


def test_the_list_gives_the_size_of_a_task_on_the_embedded_base_where_there_is_no_workspace() -> None:
    assert ["plain", "128", "One", "number", "for", "each", "channel", "of", "w.", "shifty"] in rows(run())
    assert not Path("lfsgan_workspace").exists()


def test_the_size_is_that_on_the_base_of_the_workspace(reference_workspace: Path) -> None:
    w_dim = read_summary(reference_workspace / "base.safetensors").network.w_dim
    assert w_dim != 128
    assert ["plain", str(w_dim)] in [row[:2] for row in rows(run("--workspace", str(reference_workspace)))]
    assert json.loads(run("plain", "--json", "--workspace", str(reference_workspace)).stdout)["parameters"] == w_dim


def test_a_damaged_base_takes_the_sizes_away_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "base.safetensors").write_bytes(b"damaged")
    result = run("--workspace", str(tmp_path))
    assert (result.exit_code, "Warning: " in result.stderr) == (0, True)
    assert ["plain", "-", "One"] in [row[:3] for row in rows(result)]


@pytest.mark.parametrize("name", ["broken", "picky"])
def test_a_broken_plugin_spoils_no_list(name: str) -> None:
    result = run()
    assert f"Warning: adapter '{name}' of 'shifty' cannot be used" in result.stderr
    assert [name, "-", "(cannot", "be", "used)", "shifty"] in rows(result)
    assert result.exit_code == 0


def test_one_adapter_shows_its_options() -> None:
    result = run("shift")
    assert result.exit_code == 0
    first, paper, _, *lines = result.stdout.splitlines()
    assert first == "shift (shifty 1.2): Shifts every bias."
    assert paper == "Paper: Shifty et al., 2020"
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
