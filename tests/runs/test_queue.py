"""Tasks of a folder or a file: what is read, what is refused before anything starts, what is left to do."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from lfsgan_cli.api import CallError, LearnOptions, open_workspace
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.runs.queue import Outcome, Queue, QueuedTask, TasksError, read_tasks
from tests.conftest import paint

if TYPE_CHECKING:
    from tests.conftest import Program

ALL = ("learn-all", "domains", "--steps", 2)
ROOT = Path("lfsgan_workspace")


def written(folder: Path, text: str) -> Path:
    folder.joinpath("tasks.toml").write_text(text, encoding="utf-8")
    return folder / "tasks.toml"


def test_each_folder_and_zip_file_is_a_task_and_the_rest_is_named(tmp_path: Path) -> None:
    for name in ("cats", "dogs", ".hidden", "workspace"):
        tmp_path.joinpath(name).mkdir()
    tmp_path.joinpath("workspace/base.safetensors").touch()
    for name in ("birds.zip", "notes.txt"):
        tmp_path.joinpath(name).touch()
    found = read_tasks(tmp_path, {"steps": 5})
    assert [(task.name, task.images) for task in found.tasks] == [
        ("birds", (tmp_path / "birds.zip",)),
        ("cats", (tmp_path / "cats",)),
        ("dogs", (tmp_path / "dogs",)),
    ]
    assert found.skipped == ("notes.txt", "workspace")
    assert all(task.settings == {"steps": 5} for task in found.tasks)


def test_a_file_sets_what_differs_from_the_common_settings(tmp_path: Path) -> None:
    text = """
    [[task]]
    name = "cats"
    images = "cats"
    [[task]]
    name = "dogs"
    images = ["dogs", "more/dogs.zip"]
    adapter = "lora"
    steps = 7
    crop-position = "top"
    keep-checkpoint = false
    options = {rank = 4}
    training = {anchors.weight = 0.5, energy_weight = 0}
    """
    common = {"steps": 5, "pairs": ["rank=2", "gates=hard"], "settings": ["energy_weight=1"]}
    cats, dogs = read_tasks(written(tmp_path, text), common).tasks
    assert cats == QueuedTask("cats", (tmp_path / "cats",), common)
    assert dogs.words(resume=False, threads=1) == [
        "learn-task", "--name", "dogs",
        "--images", str(tmp_path / "dogs"), "--images", str(tmp_path / "more/dogs.zip"),
        "--threads", "1", "--steps", "7", "-o", "rank=4", "-o", "gates=hard",
        "-t", "energy_weight=0", "-t", "anchors.weight=0.5",
        "--adapter", "lora", "--crop-position", "top", "--no-keep-checkpoint",
    ]  # fmt: skip
    assert "--threads" not in cats.words(resume=True, threads=1)  # an interrupted run has its own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[task]", "expected TOML, and it is none"),
        ("[task]", r"expected \[\[task\]\] tables"),
        ("[[job]]", r"expected \[\[task\]\] tables"),
        ("[[task]]\nimages = 'cats'", "expected two texts"),
        ("[[task]]\nname = 'cats'\nimages = 5", "expected two texts"),
        ("[[task]]\nname = 'cats'\nimages = 'cats'\nstep = 5", r"unknown key 'step'.* \(did you mean 'steps'\?\)"),
        ("[[task]]\nname = 'cats'\nimages = 'cats'\nsteps = 'five'", "steps is 'five', expected int"),
        ("[[task]]\nname = 'cats'\nimages = 'cats'\nfit = 'cut'", r"fit is 'cut', expected crop\|pad\|stretch"),
        ("[[task]]\nname = 'cats'\nimages = 'cats'\noptions = 5", "options is 5, expected a table"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TasksError, match=words):
        read_tasks(written(tmp_path, text), {})


def domains(program: "Program", *names: str) -> None:
    for seed, name in enumerate(names):
        paint(program.folder / "domains" / name, 3, seed)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("learn-all", "nowhere"), "No such file or directory; expected a folder with a folder of images for each"),
        (("learn-all", "cats"), "no folder or zip file of images in it, of which each would be a task; for one task, "),
        ((*ALL, "--adapter", "letf"), "there is no adapter 'letf'"),
        ((*ALL, "-t", "anchor=random"), "unknown option 'anchor'"),
        ((*ALL, "-t", "steps=3"), "option 'steps' is given twice"),
        ((*ALL, "--jobs", 0), "--jobs"),
        ((*ALL, "--gpus", 0.5), "belongs to --ray"),
        ((*ALL, "--device", "cuda:99"), "device 'cuda:99'"),
        ((*ALL, "--overwrite"), "no such option '--overwrite'"),
        (("learn-all", "tasks.toml"), "task 'b': it starts from 'c', which comes later: put that first"),
        (("learn-all", "tasks.toml"), "task 'gone': no images at "),
        (("learn-all", "tasks.toml"), "task 'x/y': 'x/y' cannot name a task"),
        (("learn-all", "tasks.toml"), "and 1 more tasks"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(
    program: "Program", arguments: tuple[object, ...], words: str
) -> None:
    domains(program, "a", "b")
    tables = [("x/y", "a", ""), ("gone", "z", ""), ("b", "b", "init-from = 'c'"), ("c", "a", ""), ("c", "b", "")]
    written(
        program.folder,
        "".join(f"[[task]]\nname = '{name}'\nimages = 'domains/{path}'\n{more}\n" for name, path, more in tables),
    )
    assert words in program.refused(*arguments)


def test_what_is_learned_with_the_same_settings_is_left_alone_and_other_settings_are_a_failure(
    learned: "Program",
) -> None:
    task = QueuedTask("cats", (learned.folder / "cats",), {"steps": 3, "pairs": ["rank=1"]})
    assert Queue(ROOT, [task]).look(task) == Outcome("cats", "already")
    longer = QueuedTask("cats", task.images, {"steps": 9})
    assert Queue(ROOT, [longer]).look(longer) is True  # its run is lengthened, as by `learn-task --resume`
    other = QueuedTask("cats", task.images, {"lr": 0.5})
    found = Queue(ROOT, [other]).look(other)
    assert isinstance(found, Outcome)
    assert found.state == "failed"
    assert "--resume continues with the run's own settings, but --lr was " in found.message
    assert "now 0.5: leave it out" in found.message


def test_python_does_what_the_command_does(learned: "Program") -> None:
    workspace = open_workspace(ROOT)
    how: LearnOptions = {"adapter_options": {"rank": 1}, "steps": 3}
    assert workspace.learn_all({"cats": "cats"}, **how) == [Outcome("cats", "already")]
    assert workspace.plan_all({"cats": "cats"}, **how).finished == 1
    with pytest.raises(CallError, match="takes neither resume nor overwrite"):
        workspace.learn_all({"cats": "cats"}, resume=True)


def test_a_task_waits_for_the_one_that_it_starts_from(program: "Program") -> None:
    first, second = QueuedTask("first", ()), QueuedTask("second", (), {"init_from": "first"})
    queue = Queue(ROOT, [first, second])
    assert queue.ready(first)
    assert not queue.ready(second)
    del queue.pending["first"]
    queue.at_work.add("first")
    assert not queue.ready(second)
    queue.at_work.clear()
    assert queue.ready(second)


def test_a_dry_run_counts_what_is_left_and_says_the_hours(begun: "Program") -> None:
    before = begun.tree()
    paint(begun.folder / "domains" / "other", 3, 0)
    begun.folder.joinpath("domains/new").symlink_to(begun.folder / "cats")
    words = ("learn-all", "domains", "--batch", 2, "--lr", 0.002, "-o", "rank=2", "--steps", 30, "--dry-run")
    found: Any = json.loads(begun.done(*words, "--json", "--jobs", 2).stdout)
    assert (found["new"], found["resumed"], found["finished"]) == (1, 1, 0)
    assert found["seconds"] > 0
    assert found["hours_with_jobs"] == pytest.approx(found["hours"] / 2, abs=0.001)
    said = begun.done(*words).stderr
    assert "Would learn 1 tasks and resume 1; 0 are learned already." in said
    assert "Expected time: " in said
    after = {path: data for path, data in begun.tree().items() if not path.startswith("domains")}
    assert after == before


def test_a_base_in_training_is_refused_before_anything_starts(unfinished: "Program") -> None:
    domains(unfinished, "a")
    assert "is not trained to its end" in unfinished.refused(*ALL)


def test_an_error_that_all_tasks_share_is_said_once(program: "Program") -> None:
    domains(program, "a", "b")
    assert program.refused(*ALL, "--lr", -1).count("lr is -1.0") == 1
    with pytest.raises(LfsganError):
        Queue(ROOT, [QueuedTask("a", (Path("nowhere"),))]).expected(torch.device("cpu"))
