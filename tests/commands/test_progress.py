"""Long work tells how far it is."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lfsgan_cli.commands import console
from lfsgan_cli.commands.console import Verbosity, progress


@pytest.fixture(autouse=True)
def normal() -> Iterator[None]:
    yield
    console.set_verbosity(Verbosity.NORMAL)


def test_a_log_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Learning cats", 1000, done=10, unit="steps", every=0) as advance:
        advance(5, "loss 0.5")
        advance(985)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Learning cats: 15/1,000 steps, ")
    assert first.endswith(", loss 0.5")
    assert "1,000/1,000" in last
    assert "0:00 left" in last


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Learning", 1000, every=60) as advance:
        for _ in range(1000):
            advance()
    assert capsys.readouterr().err == ""


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    console.set_verbosity(Verbosity.QUIET)
    with progress("Learning", 2, every=0) as advance:
        advance()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_bar_and_its_cursor_back_even_after_an_error() -> None:
    import pty

    leader, follower = pty.openpty()
    program = """
from lfsgan_cli.commands.console import progress
with progress("[b]\\x1b[31mcats", 10, unit="steps") as advance:
    for _ in range(5):
        advance(1, "loss 0.5")
    raise SystemExit(3)
"""
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    run = subprocess.run([sys.executable, "-c", program], stderr=follower, env=environment, check=False)
    os.close(follower)
    shown = os.read(leader, 1_000_000).decode()
    os.close(leader)
    assert run.returncode == 3
    assert "5/10" in shown
    assert "loss 0.5" in shown
    assert r"[b]\x1b[31mcats" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor: shown again after it was hidden
