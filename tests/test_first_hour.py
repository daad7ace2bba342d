"""The recording of the first hour in the tutorial, and the terminal that it was read from."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("pty", reason="Windows has other terminals")

from tests.first_hour import BEGIN, COLUMNS, END, PAGE, Screen, on_terminal


def test_a_recording_holds_what_a_terminal_shows_in_the_end() -> None:
    screen = Screen()
    screen.feed(
        "first\r\n\x1b[1mbar 1/2\x1b[0m\r\x1b[2Kmessage\r\nbar 1/2\r\nlast\r\x1b[1A\x1b[2Kbar 2/2\r\n" + "x" * 81
    )
    assert screen.text() == f"first\nmessage\nbar 2/2\n{'x' * 80}\nx"


def test_a_message_comes_above_the_bar_of_progress(tmp_path: Path) -> None:
    program = """
from lfsgan_cli.commands.console import progress, say
with progress("Learning cats", 2, unit="steps") as advance:
    advance()
    say("Preview: cats.png")
    advance(1, "loss G 0.73 D 1.42")
say("Done.")
"""
    first, bar, last = on_terminal([sys.executable, "-c", program], tmp_path).splitlines()
    assert (first, last) == ("Preview: cats.png", "Done.")
    assert bar.startswith("Learning cats ")
    assert bar.endswith(" loss G 0.73 D 1.42")
    assert len(bar) <= COLUMNS


def test_the_recording_in_the_tutorial_fits_its_terminal() -> None:
    recording = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert recording.count("$ lfsgan ") == 6
    assert max(len(line) for line in recording.splitlines() if not line.startswith("$ ")) <= COLUMNS
