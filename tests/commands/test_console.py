"""What is data, what is talk, and what a terminal never gets to see."""

import json
from collections.abc import Iterator

import pytest

from lfsgan_cli.commands import console
from lfsgan_cli.commands.console import Verbosity


@pytest.fixture(autouse=True)
def normal() -> Iterator[None]:
    console.set_verbosity(Verbosity.NORMAL)
    yield
    console.set_verbosity(Verbosity.NORMAL)


@pytest.mark.parametrize(
    ("verbosity", "heard"),
    [
        (Verbosity.QUIET, ["Warning: w"]),
        (Verbosity.NORMAL, ["s", "Warning: w"]),
        (Verbosity.VERBOSE, ["s", "d", "Warning: w"]),
    ],
)
def test_talk_goes_to_stderr_as_far_as_it_is_wanted(
    capsys: pytest.CaptureFixture[str], verbosity: Verbosity, heard: list[str]
) -> None:
    console.set_verbosity(verbosity)
    console.say("s")
    console.detail("d")
    console.warn("w")
    captured = capsys.readouterr()
    assert captured.err.splitlines() == heard
    assert captured.out == ""


def test_escapes_are_spelled_out_wherever_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31m\x9b1m\a"
    console.say(name)
    console.warn(name)
    console.print_text(name)
    console.print_json({name: name})
    console.table([name], [[name]])
    shown = "".join(capsys.readouterr())
    assert not {"\x1b", "\x9b", "\a"} & set(shown)
    assert r"\x1b[31m" in shown


def test_one_document_comes_out_with_sorted_keys(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"b": 1, "a": "猫"})
    text = capsys.readouterr().out
    assert list(json.loads(text).items()) == [("a", "猫"), ("b", 1)]
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.print_json(float("nan"))


def test_a_piped_table_is_never_wrapped_nor_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["name", "size"], [["[bold]" + "x" * 200, 1234567], ["b", 1]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["[bold]" + "x" * 200, "1,234,567"]
    assert lines[2].endswith(" 1")
    assert lines == [line.rstrip() for line in lines]
