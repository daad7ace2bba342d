"""`lfsgan --help` is there at once."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from lfsgan_cli.app import app

HEAVY = {"torch", "numpy", "PIL", "safetensors", "rich", "scipy", "cleanfid", "filelock"}
RUNS = 15


@pytest.mark.parametrize("arguments", [["--help"], ["evaluate", "--help"], ["tasks", "list", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom lfsgan_cli.app import app\n"
        "app(sys.argv[1:], standalone_mode=False)\nprint(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    loaded = set(run.stderr.split())
    assert "lfsgan_cli.app" in loaded
    assert not loaded & HEAVY


@pytest.mark.slow
def test_help_takes_at_most_a_third_longer_than_that_of_an_empty_program(tmp_path: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text(_empty_program(len(typer.main.get_command(app).commands)))  # type: ignore[attr-defined]
    ours, theirs = [sys.executable, "-m", "lfsgan_cli", "--help"], [sys.executable, str(empty), "--help"]
    _seconds(ours), _seconds(theirs)  # compiles them
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(RUNS)]
    ratio = statistics.median(one / other for one, other in pairs)
    assert ratio <= 1.3, pairs  # the limit that the project set itself


def _empty_program(commands: int) -> str:
    lines = ["import typer", "app = typer.Typer(rich_markup_mode=None)"]
    lines += [f"@app.command()\ndef command{index}() -> None:\n    '''Nothing.'''" for index in range(commands)]
    return "\n".join([*lines, "app()"])


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start
