"""Tasks are found by their files."""

from pathlib import Path

import pytest

from lfsgan_cli.io.files import TaskNameError
from lfsgan_cli.workspace.paths import NoWorkspaceError, UnknownTaskError, find_task, task_names, task_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tasks" / "cats").mkdir(parents=True)
    for name in ("dogs.safetensors", "cats.safetensors", ".0a1b.partial", ".x.safetensors", "notes.txt"):
        (tmp_path / "tasks" / name).touch()
    return tmp_path


def test_tasks_are_the_files_that_look_like_tasks(root: Path) -> None:
    assert task_names(root) == ["cats", "dogs"]
    assert find_task(root, "cats") == task_path(root, "cats") == root / "tasks" / "cats.safetensors"


def test_a_workspace_may_have_no_tasks_yet(tmp_path: Path) -> None:
    assert task_names(tmp_path) == []


def test_a_missing_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspaceError, match=r"nowhere'.*learn-task"):
        task_names(tmp_path / "nowhere")


def test_a_mistyped_task_is_answered_with_the_near_one(root: Path) -> None:
    with pytest.raises(UnknownTaskError, match=r"no task 'cast' \(did you mean 'cats'\?\); `lfsgan tasks list`"):
        find_task(root, "cast")


def test_a_name_cannot_lead_out_of_the_workspace(root: Path) -> None:
    with pytest.raises(TaskNameError):
        find_task(root, "../tasks/cats")
