"""The commands that a report names are commands that the program takes."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lfsgan_cli.app import app
from lfsgan_cli.report import text

HERE, ELSEWHERE = Path("lfsgan_workspace"), Path("my work")


@pytest.mark.parametrize(
    "line", [way(root) for root in (HERE, ELSEWHERE) for way in (text.learn, text.measure, text.retention)]
)
def test_a_way_out_is_a_command_line(line: str) -> None:
    _parse(line)


@pytest.mark.parametrize("root", [HERE, ELSEWHERE])
def test_looking_for_copies_is_one_as_well(root: Path) -> None:
    _parse(text.memorization(root, "cats"))


def test_another_workspace_is_named_so_that_a_shell_keeps_it_whole() -> None:
    assert text.retention(HERE) == "lfsgan evaluate --retention"
    assert text.retention(ELSEWHERE) == "lfsgan evaluate --retention --workspace 'my work'"


def _parse(line: str) -> None:
    program, name, *words = shlex.split(line)
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    assert program == "lfsgan"
    commands[name].make_context(name, words)
