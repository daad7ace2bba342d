"""Records what a new user sees in an 80×24 terminal, for docs/tutorial.md: `python -m tests.first_hour [STEPS]`.

The commands run as they stand, in an empty folder beside the examples. STEPS shortens the training.
"""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
BEGIN, END = "<!-- Recorded by `python -m tests.first_hour`. -->", "<!-- End of the recording. -->"
COLUMNS, LINES = 80, 24
IMAGES = "examples/few_shots/notionists"
DEFAULT_STEPS = 1000

_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b\][^\x07]*\x07|\x1b.|([\r\n\b])|([^\x1b\r\n\b]+)", re.DOTALL)


class Screen:
    """What is left on a terminal: cursor movements and erased lines, as progress bars use them. Colors are dropped."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        """Take in what a program wrote."""
        for match in _CONTROL.finditer(text):
            number, command, control, plain = match.groups()
            if command:
                self._move(command, int(number) if number.isdigit() else 0)
            elif control:
                self.column = max(0, self.column - 1) if control == "\b" else 0 if control == "\r" else self.column
                self.row += control == "\n"
            for char in plain or "":
                self._put(char)

    def text(self) -> str:
        """The lines, without what is blank at their ends."""
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip()

    def _move(self, command: str, number: int) -> None:
        if command == "A":
            self.row = max(0, self.row - max(1, number))
        elif command == "B":
            self.row += max(1, number)
        elif command == "G":
            self.column = max(0, number - 1)
        elif command == "K":
            line = self._line()
            line[:] = [] if number == 2 else line[: self.column]

    def _put(self, char: str) -> None:
        if self.column == COLUMNS:
            self.row, self.column = self.row + 1, 0
        line = self._line()
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = char
        self.column += 1

    def _line(self) -> list[str]:
        self.lines.extend([] for _ in range(self.row + 1 - len(self.lines)))
        return self.lines[self.row]


def seen(words: list[str], folder: Path) -> str:
    """What a command of lfsgan leaves on the terminal; SystemExit if it fails."""
    return on_terminal([sys.executable, "-m", "lfsgan_cli", *words], folder)


def on_terminal(command: list[str], folder: Path) -> str:
    """What a program leaves on the terminal; SystemExit if it fails."""
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where `lfsgan` is installed
    paths = os.pathsep.join([str(ROOT), *sys.path])
    environment = {**os.environ, "TERM": "xterm-256color", "PATH": programs, "PYTHONPATH": paths}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=side, stdout=side, stderr=side)
    os.close(side)
    pieces: list[bytes] = []
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while piece := os.read(terminal, 1 << 16):
            pieces.append(piece)
    os.close(terminal)
    screen = Screen()
    screen.feed(b"".join(pieces).decode("utf-8", "replace"))
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed:\n{screen.text()}")
    return screen.text()


def record(steps: int) -> str:
    """The whole recording: each command with what it shows."""
    length = [] if steps == DEFAULT_STEPS else ["--steps", str(steps)]
    learn = ["learn-task", "--images", IMAGES, "--name", "notionists", *length]
    commands = [
        [*learn, "--dry-run"], learn, ["generate", "notionists", "-n", "64"],
        ["tasks", "snapshots", "notionists"], ["evaluate", "--task", "notionists", "--fid", "-n", "200"],
        ["tasks", "list"],
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "examples").symlink_to(ROOT / "examples")
        shown = "\n\n".join(f"$ lfsgan {' '.join(words)}\n{seen(words, Path(folder))}" for words in commands)
    return shown.replace(str(Path.home()), "~")


def page(recording: str) -> str:
    """The tutorial with this recording in place of the one before."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n```text\n{recording}\n```\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(record(int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_STEPS)), encoding="utf-8")
