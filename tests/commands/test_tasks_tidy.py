"""`lfsgan tasks rename`, `remove` and `verify` in the hands of a user."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lfsgan_cli.io import safetensors

if TYPE_CHECKING:
    from tests.conftest import Program

CATS = "lfsgan_workspace/tasks/cats.safetensors"
BASE = "lfsgan_workspace/base.safetensors"


def flip(path: Path, position: int) -> None:
    """One bit, of the byte there; from the end where negative."""
    content = bytearray(path.read_bytes())
    content[position] ^= 4
    path.write_bytes(content)


def test_a_renamed_task_generates_the_same_and_is_still_proved(learned: "Program") -> None:
    learned.done("generate", "--task", "cats", "-n", 1, "--outdir", "before")
    content = learned.contents(CATS)
    said = learned.done("tasks", "rename", "cats", "lions").stderr
    assert said == "Renamed task 'cats' to 'lions', in lfsgan_workspace/tasks/lions.safetensors.\n"
    assert learned.contents("lfsgan_workspace/tasks/lions.safetensors") == content
    learned.done("generate", "--task", "lions", "-n", 1, "--outdir", "after")
    assert pixels(learned, "before/cats/seed0000.png") == pixels(learned, "after/lions/seed0000.png")
    verdict = json.loads(learned.done("evaluate", "--retention", "--json").stdout)["tasks"]
    assert [(name, kept["retained"], kept["pictures"]) for name, kept in verdict.items()] == [("lions", True, "equal")]
    learned.done("tasks", "verify")


def pixels(program: "Program", path: str) -> bytes:
    from PIL import Image

    with Image.open(program.folder / path) as picture:
        return picture.tobytes()


def test_a_removed_task_leaves_a_workspace_that_can_learn_it_again(learned: "Program") -> None:
    assert "removed" in learned.done("tasks", "remove", "cats", "--json").stdout
    left = {path for path in learned.tree("lfsgan_workspace") if not path.startswith("lfsgan_workspace/trash/")}
    assert left == {
        *(f"lfsgan_workspace/{name}" for name in ("base.safetensors", "tasks", "trash")),
        *(name for name in learned.tree("lfsgan_workspace/base")),
        "lfsgan_workspace/base",
    }
    assert learned.done("tasks", "verify").exit_code == 0


def test_a_dry_run_tells_and_does_nothing(learned: "Program") -> None:
    before = learned.tree()
    assert learned.done("tasks", "remove", "cats", "--dry-run").stderr.startswith(
        "Would remove task 'cats' and its run: "
    )
    assert "Would rename" in learned.done("tasks", "rename", "cats", "lions", "--dry-run").stderr
    document = json.loads(learned.done("tasks", "remove", "cats", "--dry-run", "--json").stdout)
    assert document["removed"][0]["paths"] == [CATS, "lfsgan_workspace/tasks/cats"]
    assert learned.tree() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rename", "cast", "lions"), "there is no task 'cast' (did you mean 'cats'?)"),
        (("rename", "cats", "a/b"), "'a/b' cannot name a task"),
        (("rename", "cats", "base"), "that stands for the base itself"),
        (("remove", "cast"), "there is no task 'cast'"),
        (("remove", "cats", "base"), "there is no task 'base'"),
        (("remove", "../cats"), "'../cats' cannot name a task"),
        (("remove",), "missing argument 'NAME...'"),
        (("verify", "cats", "cast"), "there is no task 'cast'"),
        (("verify", "--workspace", "nowhere"), "there is no workspace at 'nowhere'"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(learned: "Program", arguments: tuple[str, ...], words: str) -> None:
    assert words in learned.refused("tasks", *arguments)


def test_an_unfinished_run_may_be_dropped(begun: "Program") -> None:
    said = begun.done("tasks", "remove", "new").stderr
    assert said.startswith("Removed what is left of the run 'new': ")
    assert "nothing to resume" in begun.refused("learn-task", "--name", "new", "--resume")


@pytest.mark.parametrize("position", [-1, -1000])
def test_a_flipped_bit_in_a_task_is_found_by_verify_and_by_every_load(learned: "Program", position: int) -> None:
    flip(learned.folder / CATS, position)
    result = learned("tasks", "verify")
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [
        ["base.safetensors", "whole"],
        ["cats.safetensors", "damaged"],
    ]
    assert "get the file again, or learn or import the task again with --overwrite" in result.stdout
    refused = learned("generate", "--task", "cats", "-n", 1)
    assert refused.exit_code == 1
    assert f"'{CATS}' is damaged: its tensors are not the ones that were saved; get the file again" in refused.stderr


def test_every_damage_is_told_not_only_the_first(learned: "Program") -> None:
    tasks = learned.folder / "lfsgan_workspace/tasks"
    for name in ("ants", "bees"):
        (tasks / f"{name}.safetensors").write_bytes(learned.contents(CATS))
    flip(tasks / "ants.safetensors", -1)
    (tasks / "bees.safetensors").write_bytes(learned.contents(CATS)[:-10])
    flip(learned.folder / BASE, -1)
    result = learned("tasks", "verify", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["whole"] is False
    assert [(file["task"], file["state"]) for file in document["files"]] == [
        (None, "damaged"),
        ("ants", "damaged"),
        ("bees", "damaged"),
        ("cats", "whole"),
    ]
    assert "put a whole copy of this very base in its place" in document["files"][0]["why"]
    assert "cut short" in document["files"][2]["why"]


def test_a_changed_header_is_found_by_verify_and_by_every_command(learned: "Program") -> None:
    path = learned.folder / CATS
    changed = path.read_bytes().replace(b'\\"steps\\":3', b'\\"steps\\":4')
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    result = learned("tasks", "verify", "cats", "--json")
    assert result.exit_code == 1
    assert "its header is not the one that was saved" in json.loads(result.stdout)["files"][1]["why"]
    assert "its header is not the one that was saved" in learned.refused("tasks", "show", "cats")


def test_a_file_without_a_hash_of_its_header_is_read_and_compared_with_its_record(learned: "Program") -> None:
    tensors, metadata = safetensors.read(learned.folder / CATS)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    safetensors.write(learned.folder / "lfsgan_workspace/tasks/old.safetensors", tensors, metadata)
    document = json.loads(learned.done("tasks", "verify", "--json").stdout)
    assert document["files"][2]["why"] == "its header has no hash, since an earlier version wrote it"
    learned.done("generate", "--task", "old", "-n", 1)
    safetensors.write(learned.folder / CATS, tensors, metadata)
    result = learned("tasks", "verify", "cats", "--json")
    assert result.exit_code == 1
    assert "its header differs from the retention record" in json.loads(result.stdout)["files"][1]["why"]


def test_a_base_that_is_gone_is_told(learned: "Program") -> None:
    (learned.folder / BASE).unlink()
    document = json.loads(learned("tasks", "verify", "--json").stdout)
    assert [(file["task"], file["state"]) for file in document["files"]] == [(None, "missing"), ("cats", "whole")]


def test_verify_needs_no_torch(learned: "Program") -> None:
    program = "import sys\nfrom lfsgan_cli.app import app\napp(sys.argv[1:], standalone_mode=False)\n"
    for words in (["verify"], ["rename", "cats", "lions"], ["remove", "lions"]):
        command = [sys.executable, "-c", f"{program}print(*sys.modules)", "tasks", *words]
        run = subprocess.run(command, cwd=learned.folder, capture_output=True, text=True, check=True)
        assert not {"torch", "numpy", "PIL", "safetensors"} & set(run.stdout.split())
