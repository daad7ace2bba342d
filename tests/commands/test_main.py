"""Every command ends in one of five ways: 0, 1 with one line, 2 for usage, 130 for Ctrl-C, 143 for SIGTERM."""

import platform
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lfsgan_cli.app import app
from lfsgan_cli.commands import console
from lfsgan_cli.commands.console import Verbosity
from lfsgan_cli.commands.main import Cli
from lfsgan_cli.commands.options import everywhere
from lfsgan_cli.errors import LfsganError


class TorchLikeOutOfMemoryError(RuntimeError):
    """Torch's own has this name and this parent; it cannot be raised here without a GPU."""


TorchLikeOutOfMemoryError.__name__ = "OutOfMemoryError"

FAILURES: dict[str, BaseException] = {
    "expected": LfsganError("no \x1b[31mcats\nhere"),
    "missing": FileNotFoundError(2, "No such file or directory", "cats.png"),
    "full": OSError(28, "No space left on device"),
    "memory": MemoryError(),
    "gpu-memory": TorchLikeOutOfMemoryError("CUDA out of memory. Tried …"),
    "cpu-memory": RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: …"),
    "stacks": RuntimeError("can't start new thread"),
    "bug": KeyError("cats"),
    "ctrl-c": KeyboardInterrupt(),
    "usage": typer.BadParameter("no"),
    "exit": typer.Exit(7),
}


def failing() -> typer.Typer:
    program = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, cls=Cli)

    @program.callback()
    @everywhere
    def root() -> None: ...

    @program.command()
    @everywhere
    def fail(how: str) -> None:
        console.say("talk")
        console.detail("more talk")
        raise FAILURES[how]

    @program.command()
    @everywhere
    def wait() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            console.say("cleaned up")

    return program


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("expected", 1, r"Error: no \x1b[31mcats here"),
        ("missing", 1, "Error: 'cats.png': No such file or directory"),
        ("full", 1, "Error: No space left on device"),
        ("memory", 1, "Error: there is not enough memory; try a smaller --batch, or --device cpu"),
        ("gpu-memory", 1, "Error: there is not enough memory; try a smaller --batch, or --device cpu"),
        ("cpu-memory", 1, "Error: there is not enough memory; try a smaller --batch, or --device cpu"),
        ("stacks", 1, "Error: there is not enough memory; try a smaller --batch, or --device cpu"),
        ("bug", 1, "Error: KeyError: 'cats' (this is a bug in lfsgan; run again with --debug and report it)"),
        ("ctrl-c", 130, "Interrupted."),
    ],
)
def test_a_failure_is_one_line_on_stderr(how: str, code: int, line: str) -> None:
    result = CliRunner().invoke(failing(), ["fail", how, "--quiet"])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"{line}\n")


def test_sigterm_ends_a_command_as_ctrl_c_does_and_means_afterwards_what_it_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(failing(), ["wait"])
    assert (result.exit_code, result.stderr) == (143, "cleaned up\nTerminated.\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_typers_own_endings_stay_typers() -> None:
    assert CliRunner().invoke(failing(), ["fail", "usage"]).exit_code == 2
    assert CliRunner().invoke(failing(), ["fail", "exit"]).exit_code == 7
    assert CliRunner().invoke(failing(), ["fial"]).exit_code == 2
    assert CliRunner().invoke(failing(), ["fail", "bug", "--nonsense"]).exit_code == 2


@pytest.mark.parametrize("arguments", [["--debug", "fail", "expected"], ["fail", "expected", "--debug"]])
def test_debug_shows_where_before_and_after_the_command(arguments: list[str]) -> None:
    result = CliRunner().invoke(failing(), arguments)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "raise FAILURES[how]" in result.stderr
    assert result.stderr.endswith("Error: no \\x1b[31mcats here\n")
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize(
    ("options", "heard"), [([], ["talk"]), (["-v"], ["talk", "more talk"]), (["-q"], []), (["--quiet"], [])]
)
def test_talk_is_asked_for_before_and_after_the_command(options: list[str], heard: list[str]) -> None:
    for arguments in ([*options, "fail", "exit"], ["fail", "exit", *options]):
        assert CliRunner().invoke(failing(), arguments).stderr.splitlines() == heard


def test_one_run_does_not_quieten_the_next() -> None:
    CliRunner().invoke(failing(), ["-q", "fail", "exit"])
    assert CliRunner().invoke(failing(), ["fail", "exit"]).stderr == "talk\n"
    console.set_verbosity(Verbosity.NORMAL)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_stdout_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "lfsgan_cli", "tasks", "list", "--json", "--workspace", str(tmp_path)]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "Error: No space left on device\n")


def test_the_version_of_the_program_of_torch_and_of_python_is_told() -> None:
    result = CliRunner().invoke(app, ["--version"])
    python = platform.python_version()
    assert (result.exit_code, result.stdout) == (0, f"lfsgan 0.1.0 (torch {version('torch')}, Python {python})\n")


def test_every_command_has_help_and_the_options_that_mean_something_everywhere() -> None:
    def walk(command: object, path: list[str]) -> list[list[str]]:
        children = getattr(command, "commands", {})
        return [path] if not children else [leaf for name in children for leaf in walk(children[name], [*path, name])]

    leaves = walk(typer.main.get_command(app), [])
    assert ["tasks", "show"] in leaves
    for leaf in leaves:
        result = CliRunner().invoke(app, [*leaf, "--help"])
        assert result.exit_code == 0
        assert all(option in result.stdout for option in ("--quiet", "--verbose", "--debug")), leaf
