"""The live view of a training: what it draws, where it appears, and that training does not notice it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lfsgan_cli.commands.training import _History, half_blocks, sparkline
from tests.conftest import Program

LEARN = ("learn-task", "--images", "cats", "--steps", 10, "--batch", 2)


def test_a_sparkline_goes_from_the_least_to_the_largest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5, -5], 10) == "█▁"
    assert sparkline([3.0], 10) == "▁"
    assert sparkline([], 10) == ""
    assert sparkline([1.0], 0) == ""


def test_a_long_history_is_averaged_over_the_width() -> None:
    assert sparkline([0, 0, 7, 7], 2) == "▁█"
    assert len(sparkline(list(range(1000)), 77)) == 77


def test_a_value_that_is_not_finite_leaves_a_gap() -> None:
    assert sparkline([0, float("nan"), 7], 3) == "▁ █"
    assert sparkline([float("inf")], 3) == " "


def test_a_history_of_any_length_takes_bounded_memory_and_keeps_its_shape() -> None:
    history = _History("g")
    for value in range(100_000):
        history.add(value)
    assert len(history._means) < _History.MOST
    assert history._means == sorted(history._means)
    assert history._means[0] < 1000
    assert history._means[-1] > 99_000
    assert "99999.000" in history.draw(79).plain


def test_two_pixels_make_a_character() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :, 0] = 255  # red above, black below
    image[2:, :, 2] = 255  # blue
    first, second = half_blocks([image, image], 4)
    assert first.plain == second.plain == "▀▀▀▀  ▀▀▀▀  "
    styles = {str(span.style) for span in first.spans}
    assert styles == {"#ff0000 on #ff0000"}
    assert {str(span.style) for span in second.spans} == {"#0000ff on #0000ff"}
    [line] = half_blocks([image], 2)
    assert {str(span.style) for span in line.spans} == {"#ff0000 on #0000ff"}


def on_terminal(program: Program, *arguments: object, **environment: str) -> str:
    """What a command writes to a terminal of 100 columns and 40 lines with 256 colours."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [sys.executable, "-m", "lfsgan_cli", *map(str, arguments)]
    variables = {**os.environ, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(command, cwd=program.folder, env=variables, stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    pieces = []
    try:
        while piece := os.read(leader, 1 << 16):
            pieces.append(piece)
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(leader)
    shown = b"".join(pieces).decode()
    assert process.wait() == 0, shown
    return shown


TERMINALS = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@TERMINALS
def test_a_terminal_shows_the_run_and_the_task_is_the_same_as_without(program: Program) -> None:
    shown = on_terminal(program, *LEARN, "--name", "seen")
    for part in (
        "Learning",
        "10/10 steps",
        "loss G",
        "loss D",
        "next checkpoint in 2:00",
        "memory",
        "▀",
        "Preview: ",
    ):
        assert part in shown
    assert "\x1b[38;" in shown  # the colours of pixels
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    last_view = shown[shown.rindex("10/10 steps") :]
    assert "▀" not in last_view
    assert "Task 'seen' is in" in last_view
    program.done(*LEARN, "--name", "unseen")
    tensors = [program.contents(f"lfsgan_workspace/tasks/{name}.safetensors") for name in ("seen", "unseen")]
    assert tensors[0][-10_000:] == tensors[1][-10_000:]
    assert program.contents("lfsgan_workspace/tasks/seen/stats.jsonl") == program.contents(
        "lfsgan_workspace/tasks/unseen/stats.jsonl"
    )


@TERMINALS
@pytest.mark.parametrize(
    ("environment", "size", "drawn"),
    [
        ({}, "100x40", True),
        ({}, "79x40", False),
        ({}, "100x23", False),
        ({"TERM": "dumb"}, "100x40", False),
        ({"TERM": "xterm"}, "100x40", False),
        ({"NO_COLOR": "1"}, "100x40", False),
        ({"PYTHONIOENCODING": "latin-1"}, "100x40", False),
    ],
)
def test_a_terminal_must_be_large_and_have_colours(
    tmp_path: Path, environment: dict[str, str], size: str, drawn: bool
) -> None:
    columns, lines = size.split("x")
    program = "from lfsgan_cli.commands.console import can_draw; print(can_draw(80, 24), file=open('said', 'w'))"
    leader, follower = os.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": columns, "LINES": lines, **environment}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=variables, stderr=follower, check=True)
    os.close(leader)
    os.close(follower)
    assert tmp_path.joinpath("said").read_text() == f"{drawn}\n"


@TERMINALS
@pytest.mark.parametrize(
    ("options", "environment"),
    [((), {"NO_COLOR": "1"}), (("--json",), {})],
    ids=["NO_COLOR", "--json"],
)
def test_where_a_view_is_unwanted_there_is_none(
    program: Program, options: tuple[str, ...], environment: dict[str, str]
) -> None:
    shown = on_terminal(program, *LEARN, "--name", "c", *options, **environment)
    assert "▀" not in shown
    assert "next checkpoint" not in shown
