"""Help can be read: summaries, groups, two examples that work; and a wrong word is answered with the right one."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from lfsgan_cli.app import app
from lfsgan_cli.commands.help import OTHER_COMMANDS

PROGRAM: Any = typer.main.get_command(app)
GROUPS = {"Input", "Metrics", "Training", "Sampling", "Output", "Machine", "General"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def leaves(command: Any = PROGRAM, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from leaves(child, (*path, name))


COMMANDS = dict(leaves())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_a_summary_a_paragraph_groups_and_two_examples(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    summary, _, rest = command.help.strip().partition("\n")
    assert len(summary) <= 60
    assert summary.endswith(".")
    assert rest.strip()
    page = run(*path, "-h").stdout
    assert page == run(*path, "--help").stdout
    assert set(re.findall(r"^(\w+):$", page, flags=re.MULTILINE)) <= {*GROUPS, "Arguments", "Examples"}
    assert len(command.epilog.splitlines()) == 2
    assert max(map(len, page.splitlines())) <= 80


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_examples_are_command_lines_that_the_program_takes(path: tuple[str, ...]) -> None:
    for example in COMMANDS[path].epilog.splitlines():
        words = shlex.split(example)
        assert words[: len(path) + 1] == ["lfsgan", *path]
        COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_in_a_short_sentence_and_stands_in_a_group(path: tuple[str, ...]) -> None:
    for param in COMMANDS[path].params:
        assert param.help, param.opts
        assert re.match(r"[A-Z]", param.help) or param.help.startswith(("e.g.", "w ")), param.help
        assert len(param.help.partition("  [")[0].split()) <= 20, param.help
        assert param.param_type_name == "argument" or param.rich_help_panel in GROUPS, param.opts


def test_the_list_of_commands_fits_a_small_terminal() -> None:
    page = run("--help").stdout.splitlines()
    assert len(page) <= 24
    assert max(map(len, page)) <= 80


@pytest.mark.parametrize("words", [["learn-task"], ["tasks", "merge"], ["tasks"], []])
def test_help_command_shows_the_page_of_a_command(words: list[str]) -> None:
    assert run("help", *words).stdout == run(*words, "--help").stdout


def test_help_of_an_unknown_command_is_one_line() -> None:
    result = run("help", "generat")
    assert (result.exit_code, result.stderr) == (2, "Error: no such command 'generat': did you mean 'generate'?\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["bench"], "no such command 'bench': did you mean 'profile'?"),
        (["merge", "--task", "cats"], "no such command 'merge': did you mean 'tasks merge'?"),
        (["evalute"], "no such command 'evalute': did you mean 'evaluate'?"),
        (["tasks", "lst"], "no such command 'lst': did you mean 'list'?"),
        (["xyzzy"], "no such command 'xyzzy'; see `lfsgan --help`"),
        (["learn-task", "--shots", "x"], "no such option '--shots': did you mean '--images'?"),
        (["generate", "--truncatoin", "1"], "no such option '--truncatoin': did you mean '--truncation'?"),
        (["generate", "--task", "a", "-n", "0"], "-n: expected 1 or more; see `lfsgan generate --help`"),
        (["tasks", "show"], "missing argument 'NAME'; see `lfsgan tasks show --help`"),
    ],
)
def test_a_wrong_word_is_answered_in_one_line(arguments: list[str], line: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {line}\n")


def test_every_other_name_of_a_command_leads_to_one_that_is_there() -> None:
    known = {" ".join(path) for path in COMMANDS}
    assert set(OTHER_COMMANDS.values()) <= known
    assert not set(OTHER_COMMANDS) & known


@pytest.mark.parametrize("option", ["--steps", "--name", "-n"])
def test_an_option_of_one_value_is_taken_once(option: str) -> None:
    command = "generate" if option == "-n" else "learn-task"
    result = run(command, option, "1", option, "2")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {option} is passed 2 times: pass it once; see `lfsgan {command} --help`\n",
    )


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_a_count_that_no_run_could_hold_is_refused_at_once(command: str) -> None:
    result = run(command, "-n", "5000000000")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: -n: expected 1000000 or less; see `lfsgan {command} --help`\n",
    )
