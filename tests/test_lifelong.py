"""Promises over time: nothing is forgotten, and one command makes the same bytes, interrupted or not."""

import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Program

BASE = "lfsgan_workspace/base.safetensors"
CATS = "lfsgan_workspace/tasks/cats.safetensors"
# Losses are logged every ten steps, which tells that a run is on its way; three times that leaves time to stop it.
STEPS = 30
PRETRAIN = (
    "pretrain", "--data", "data", "--resolution", "16", "--channels", "16", "--latent", "16", "--mapping-layers", "2",
    "--batch", "2", "--kimg", str(STEPS * 2 / 1000), "--overwrite",
)  # fmt: skip


def learning(*options: str) -> tuple[str, ...]:
    return ("learn-task", "--images", "cats", "--name", "cats", "--steps", str(STEPS), "--batch", "2", *options)


def resume_as_told(program: "Program", said: str) -> None:
    """Run the command that the message names; it goes on where the message says."""
    assert "Error" not in said
    assert "Traceback" not in said
    message, _, command = said.splitlines()[-1].partition("; resume with: ")
    called, words = shlex.split(command)[:3], shlex.split(command)[3:]
    assert called == ["python", "-m", "lfsgan_cli"]  # as this test calls it
    stopped = message.removeprefix("Stopped ")
    assert f"Resuming {stopped}." in program.done(*words).stderr


def test_a_second_task_leaves_the_first_as_it_was(learned: "Program") -> None:
    learned.done("generate", "--task", "cats", "--with-base", "-n", 4)
    before = learned.tree("out")
    files = [learned.contents(BASE), learned.contents(CATS)]
    learned.learn("dogs", "--images", "dogs", "--steps", 4)
    learned.done("generate", "--task", "cats", "--with-base", "-n", 4)
    assert learned.tree("out") == before
    assert [learned.contents(BASE), learned.contents(CATS)] == files
    learned.done("generate", "--task", "dogs", "-n", 1)
    assert learned.contents("out/dogs/seed0000.png") != learned.contents("out/cats/seed0000.png")


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), signal.SIGINT),
        (("--adapter", "full"), signal.SIGTERM),
        (("--adapter", "cam"), signal.SIGINT),
    ],
    ids=["left", "full", "cam"],
)
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_task_is_the_same_whole_or_interrupted(
    program: "Program", options: tuple[str, ...], number: signal.Signals
) -> None:
    whole = Path("whole workspace")  # the space is there to be quoted
    program.folder.joinpath(whole, "tasks").mkdir(parents=True)
    program.folder.joinpath(whole, "base.safetensors").write_bytes(program.contents(BASE))
    program.done(*learning(*options, "--workspace", str(whole)))

    said = program.stopped(*learning(*options), log="lfsgan_workspace/tasks/cats/stats.jsonl", by=number)
    assert not program.folder.joinpath(CATS).exists()
    resume_as_told(program, said)
    assert program.contents(CATS) == program.contents(whole / "tasks/cats.safetensors")
    logs = [program.contents(root / "tasks/cats/stats.jsonl") for root in (whole, Path("lfsgan_workspace"))]
    assert logs[0] == logs[1]


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_base_is_the_same_whole_or_interrupted(newcomer: "Program") -> None:
    newcomer.done(*PRETRAIN, "--workspace", "whole")
    here = ("--workspace", "a place")
    said = newcomer.stopped(*PRETRAIN, *here, "--device", "cpu", log="a place/base/stats.jsonl", by=signal.SIGINT)
    assert not newcomer.folder.joinpath("a place/base.safetensors").exists()
    assert "--workspace 'a place' --device cpu" in said
    resume_as_told(newcomer, said)
    assert newcomer.contents("a place/base.safetensors") == newcomer.contents("whole/base.safetensors")


def test_two_runs_of_one_command_make_one_task_whatever_the_workspace_is_called(learned: "Program") -> None:
    learned.folder.joinpath("other/tasks").mkdir(parents=True)
    learned.folder.joinpath("other/base.safetensors").write_bytes(learned.contents(BASE))
    learned.learn("cats", "--steps", 3, "-o", "rank=1", "--workspace", "other")
    assert learned.contents("other/tasks/cats.safetensors") == learned.contents(CATS)
    learned.learn("cats", "--steps", 3, "-o", "rank=1", "--workspace", "other", "--overwrite", "--seed", 1)
    assert learned.contents("other/tasks/cats.safetensors") != learned.contents(CATS)


def three_lines(newcomer: "Program", steps: int, count: int) -> None:
    """The three lines of the design card, in a folder with nothing but `few_shots`, on the embedded base."""
    (newcomer.folder / "cats").rename(newcomer.folder / "few_shots")
    said = newcomer.done("learn-task", "--images", "./few_shots", "--name", "cats", "--steps", steps).stderr
    assert "the embedded one, avatars-64-2, is put there" in said
    newcomer.done("generate", "--task", "cats", "-n", count)
    pictures = [path for path in newcomer.tree("out") if "seed" in path]
    assert pictures == [f"out/cats/seed{seed:04}.png" for seed in range(count)]
    measured = newcomer.done("evaluate", "--fid", *(() if steps > 2 else ("-n", count)))
    assert "cats  fid[efficientnet-lite0]" in measured.stdout


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that nobody reaches: whoever tries fails at once."""

    def refuse(*_: object) -> None:
        raise AssertionError("something asked for the network")

    monkeypatch.delenv("LFSGAN_OFFLINE", raising=False)
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
def test_the_three_lines_of_the_card_on_the_embedded_base(newcomer: "Program") -> None:
    three_lines(newcomer, steps=2, count=3)


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
def test_the_three_lines_of_the_card_as_written(newcomer: "Program") -> None:
    three_lines(newcomer, steps=20, count=64)
