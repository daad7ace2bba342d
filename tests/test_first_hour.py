"""The recording of the first hour in the tutorial, and the terminal that it was read from."""

import pytest

pytest.importorskip("pty", reason="Windows has other terminals")

from tests.first_hour import BEGIN, COLUMNS, END, PAGE, Screen


def test_a_recording_holds_what_a_terminal_shows_in_the_end() -> None:
    screen = Screen()
    screen.feed(
        "first\r\n\x1b[1mbar 1/2\x1b[0m\r\x1b[2Kmessage\r\nbar 1/2\r\nlast\r\x1b[1A\x1b[2Kbar 2/2\r\n" + "x" * 81
    )
    assert screen.text() == f"first\nmessage\nbar 2/2\n{'x' * 80}\nx"


def test_the_recording_in_the_tutorial_fits_its_terminal() -> None:
    recording = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert recording.count("$ lfsgan ") == 6
    assert max(map(len, recording.splitlines())) <= COLUMNS
