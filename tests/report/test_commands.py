"""The commands that a report names are commands that the program takes."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from lfsgan_cli.app import app
from lfsgan_cli.report.images import Samples
from lfsgan_cli.report.model import Gap
from lfsgan_cli.report.workspace import BaseFacts, command, read_workspace

HERE, ELSEWHERE = Path("lfsgan_workspace"), Path("my work")


BASE = BaseFacts("a base", "aa", 16, 1, 1)


@pytest.mark.parametrize("root", [HERE, ELSEWHERE])
def test_whatever_a_new_workspace_lacks_comes_with_a_command(root: Path) -> None:
    page = read_workspace(root, BASE, {}, Samples((), {}, {}))
    commands = [gap.command for section in page.walk() for gap in section.flat() if isinstance(gap, Gap)]
    assert [line.split()[1] for line in commands] == ["learn-task", "evaluate"]
    for line in commands:
        _parse(line)


def test_another_workspace_is_named_so_that_a_shell_keeps_it_whole() -> None:
    assert command(HERE, "evaluate", "--retention") == "lfsgan evaluate --retention"
    assert command(ELSEWHERE, "evaluate", "--retention") == "lfsgan evaluate --retention --workspace 'my work'"


def _parse(line: str) -> None:
    program, name, *words = shlex.split(line)
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    assert program == "lfsgan"
    commands[name].make_context(name, words)
