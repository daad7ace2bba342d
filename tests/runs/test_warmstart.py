"""A task can start where another one ended; which one is noted, and what does not fit is refused."""

import json
import os
import shlex
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.task_file import TaskFile

if TYPE_CHECKING:
    from tests.conftest import Program

TASKS = "lfsgan_workspace/tasks"
FROM_CATS = ("--images", "dogs", "-o", "rank=1", "--init-from", "cats")  # `cats` is learned at rank 1
LEARN = ("learn-task", "--name", "new", *FROM_CATS)


def training(program: "Program", name: str) -> Any:
    return json.loads(program.done("tasks", "show", name, "--json").stdout)["training"]


def tensors_hash(program: "Program", name: str) -> str:
    """The hash of a task's tensors, those learned and its mean w."""
    return (
        read_header(program.folder / f"{TASKS}/{name}.safetensors").metadata["modelspec.hash_sha256"].removeprefix("0x")
    )


def test_a_start_that_learns_nothing_stays_the_task_it_started_from(learned: "Program") -> None:
    said = learned.learn("new", *FROM_CATS, "--lr", 0).stderr
    assert "Starting where task 'cats' ended." in said
    assert tensors_hash(learned, "new") == tensors_hash(learned, "cats")
    learned.learn("cold", "--images", "dogs", "-o", "rank=1", "--lr", 0)
    assert tensors_hash(learned, "cold") != tensors_hash(learned, "cats")


def test_the_task_notes_where_it_started_and_others_note_nothing(learned: "Program") -> None:
    learned.learn("new", *FROM_CATS)
    assert training(learned, "new").items() >= {
        "init_from": "cats", "init_from_sha256": tensors_hash(learned, "cats")
    }.items()  # fmt: skip
    assert ["init_from", "cats"] in [line.split() for line in learned.done("tasks", "show", "new").stdout.splitlines()]
    assert [key for key in training(learned, "cats") if key.startswith("init_from")] == []
    assert "init_from" not in json.loads(learned.contents(f"{TASKS}/cats/run.json"))["plan"]


def test_the_source_stays_as_it_was_and_equal_starts_give_equal_bytes(learned: "Program") -> None:
    before = learned.contents(f"{TASKS}/cats.safetensors")
    learned.learn("new", *FROM_CATS)
    first = learned.contents(f"{TASKS}/new.safetensors")
    learned.learn("new", *FROM_CATS, "--overwrite")
    assert learned.contents(f"{TASKS}/new.safetensors") == first
    assert learned.contents(f"{TASKS}/cats.safetensors") == before


def test_full_fine_tuning_goes_on_from_task_to_task(program: "Program") -> None:
    program.learn("first", "--adapter", "full")
    program.learn("second", "--images", "dogs", "--adapter", "full", "--init-from", "first", "--lr", 0)
    assert tensors_hash(program, "second") == tensors_hash(program, "first")


def test_a_task_may_be_replaced_by_one_that_starts_from_it(learned: "Program") -> None:
    before = tensors_hash(learned, "cats")
    again = ("-o", "rank=1", "--init-from", "cats")
    learned.learn("cats", *again, "--overwrite")
    assert training(learned, "cats")["init_from_sha256"] == before
    assert "is learned already" in learned.learn("cats", *again, "--resume").stderr


def test_a_dry_run_tells_the_start(learned: "Program") -> None:
    assert "--init-from cats" in learned.done(*LEARN, "--dry-run").stderr
    plan = json.loads(learned.done(*LEARN, "--dry-run", "--json").stdout)["plan"]
    assert plan["init_from_sha256"] == tensors_hash(learned, "cats")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--init-from", "cast"), "there is no task 'cast' (did you mean 'cats'?)"),
        (("--init-from", "../cats"), "'../cats' cannot name a task"),
        (("--init-from", "cats", "--adapter", "full"), "that task was learned with --adapter left, this one is to be"),
        (("--init-from", "cats"), "but -o rank was 1, now 16; pass -o rank=1, or leave --init-from out"),
        (("--init-from", "cats", "-o", "rank=1", "-o", "init=paper"), "-o init was "),
    ],
)
def test_a_source_that_does_not_fit_is_refused(learned: "Program", options: tuple[str, ...], words: str) -> None:
    assert words in learned.refused("learn-task", "--images", "dogs", "--name", "new", *options)


def test_a_source_of_another_version_of_its_adapter_is_refused(learned: "Program") -> None:
    path = learned.folder / f"{TASKS}/cats.safetensors"
    task = TaskFile.open(path)
    info, tensors = task.info, dict(task.tensors)
    task_file.write(path, replace(info, adapter_version="0"), {name: t.clone() for name, t in tensors.items()})
    assert "the file is of its version 0, installed is " in learned.refused(*LEARN)


def test_a_damaged_source_is_refused(learned: "Program") -> None:
    data = bytearray(learned.contents(f"{TASKS}/cats.safetensors"))
    data[-1] ^= 1
    learned.folder.joinpath(f"{TASKS}/cats.safetensors").write_bytes(data)
    assert "its tensors are not the ones that were saved" in learned.refused(*LEARN)


def test_a_source_of_another_base_is_refused(learned: "Program") -> None:
    learned.folder.joinpath("lfsgan_workspace/base.safetensors").unlink()  # the embedded base stands in
    assert "task 'cats' was learned on base " in learned.refused(*LEARN)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_an_interrupted_start_goes_on_without_its_source_and_refuses_another(learned: "Program") -> None:
    learn = (*LEARN, "--steps", 30, "--batch", 2)  # the log's first line comes after ten steps
    learned.done(*learn)
    whole = learned.contents(f"{TASKS}/new.safetensors")
    learned.folder.joinpath(f"{TASKS}/new.safetensors").unlink()
    learned.folder.joinpath(f"{TASKS}/new/stats.jsonl").unlink()
    learned.learn("other", "-o", "rank=1")

    said = learned.stopped(*learn, "--overwrite", log=f"{TASKS}/new/stats.jsonl", by=signal.SIGINT)
    resume = ("learn-task", "--name", "new", "--resume")
    assert "--init-from was cats, now other: leave it out" in learned.refused(*resume, "--init-from", "other")
    learned.learn("cats", "-o", "rank=1", "--overwrite", "--seed", 1)
    assert "task 'cats' is not the one that this run started from" in learned.refused(*resume, "--init-from", "cats")
    learned.folder.joinpath(f"{TASKS}/cats.safetensors").unlink()
    learned.done(*shlex.split(said.splitlines()[-1].partition("resume with: ")[2])[3:])
    assert learned.contents(f"{TASKS}/new.safetensors") == whole


def test_a_run_that_started_at_the_base_cannot_go_on_from_a_task(begun: "Program", learned_home: Any) -> None:
    cats = learned_home / f"{TASKS}/cats.safetensors"
    begun.folder.joinpath(f"{TASKS}/cats.safetensors").write_bytes(cats.read_bytes())
    line = begun.refused("learn-task", "--name", "new", "--resume", "--init-from", "cats")
    assert "--init-from was none, now cats: leave it out" in line
