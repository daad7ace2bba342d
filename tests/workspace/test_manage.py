"""A task that is renamed or removed is whole or gone, whenever the process is killed."""

import json
from pathlib import Path

import pytest

from lfsgan_cli.io.files import TaskNameError
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.workspace import checkpoint_file, manage
from lfsgan_cli.workspace.locks import HeldError, hold_tasks
from lfsgan_cli.workspace.manage import RenameError, removals, remove, rename
from lfsgan_cli.workspace.paths import NoWorkspaceError, UnknownTaskError, run_folder, run_names, task_names, task_path


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the program runs after it."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`cats` and `dogs`, learned; `new`, begun; `relic`, of which only the run is left."""
    for name in ("cats", "dogs"):
        task_file(tmp_path, name)
        run_of(tmp_path, name)
    for name in ("new", "relic"):
        run_folder(tmp_path, name).mkdir()
    (run_folder(tmp_path, "new") / "state000010.safetensors").write_bytes(b"a state")
    (run_folder(tmp_path, "relic") / "stats.jsonl").write_text("{}")
    return tmp_path


def task_file(root: Path, name: str) -> None:
    task_path(root, name).parent.mkdir(exist_ok=True)
    task_path(root, name).write_bytes(f"the tensors of {name}".encode())


def run_of(root: Path, name: str) -> None:
    """As learning leaves it: training images, and a record of the file's hash."""
    folder = run_folder(root, name)
    (folder / "few_shots").mkdir(parents=True)
    (folder / "few_shots" / "000000.png").write_bytes(b"a picture")
    (folder / "retention.json").write_text(json.dumps({"file_sha256": file_hash(task_path(root, name))}))


def killed_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Kill the program at its next change of the disk but `calls`."""
    done = iter(range(calls))
    for name in ("rename", "unlink", "rmdir"):
        real = getattr(Path, name)

        def change(path: Path, *args: object, real: object = real, **options: object) -> object:
            if ".locks" not in path.parts and next(done, None) is None:
                raise Killed
            return real(path, *args, **options)  # type: ignore[operator]

        monkeypatch.setattr(Path, name, change)


def test_a_renamed_task_keeps_every_byte_and_its_run(root: Path) -> None:
    content = task_path(root, "cats").read_bytes()
    rename(root, "cats", "lions")
    assert task_names(root) == ["dogs", "lions"]
    assert task_path(root, "lions").read_bytes() == content
    assert (run_folder(root, "lions") / "few_shots" / "000000.png").read_bytes() == b"a picture"
    assert not run_folder(root, "cats").exists()


def test_a_task_that_came_alone_has_no_run_to_rename(root: Path) -> None:
    task_file(root, "birds")
    rename(root, "birds", "owls")
    assert task_names(root) == ["cats", "dogs", "owls"]
    assert "owls" not in run_names(root)


@pytest.mark.parametrize("calls", range(3))
def test_a_killed_renaming_leaves_the_task_whole_and_can_be_done_again(
    root: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    content = task_path(root, "cats").read_bytes()
    with monkeypatch.context() as patch:
        killed_after(patch, calls)
        try:
            rename(root, "cats", "lions")
        except Killed:
            assert task_path(root, "cats").read_bytes() == content
            patch.undo()
            rename(root, "cats", "lions")
    assert task_path(root, "lions").read_bytes() == content
    assert (run_folder(root, "lions") / "few_shots" / "000000.png").exists()
    assert run_names(root) == ["dogs", "lions", "new", "relic"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cats", "dogs", "a task of that name exists; choose another name, or remove it first with `lfsgan tasks re"),
        ("cats", "cats", "a task of that name exists"),
        ("cats", "new", "an unfinished run of that name exists"),
        ("cats", "relic", "relic' holds files of another run"),
        ("cats", "base", "that stands for the base itself"),
        ("cats", "dogs.safetensors", "that stands for the file of task 'dogs'"),
    ],
)
def test_a_name_that_is_not_free_is_refused(root: Path, old: str, new: str, words: str) -> None:
    before = tree(root)
    with pytest.raises(RenameError) as refusal:
        rename(root, old, new)
    assert words in str(refusal.value)
    assert tree(root) == before


def test_a_task_that_is_learned_anew_is_finished_first(root: Path) -> None:
    (run_folder(root, "cats") / "state000010.safetensors").write_bytes(b"a state")
    with pytest.raises(RenameError, match="finish it with `lfsgan learn-task --resume --name cats` first"):
        rename(root, "cats", "lions")


def test_only_tasks_can_be_renamed(root: Path) -> None:
    for name in ("cast", "new", "relic"):
        with pytest.raises(UnknownTaskError):
            rename(root, name, "lions")
    for name in ("../cats", "a/b", ""):
        with pytest.raises(TaskNameError):
            rename(root, "cats", name)
    with pytest.raises(NoWorkspaceError):
        rename(root / "nowhere", "cats", "lions")
    assert not (root / "nowhere").exists()


def test_a_removed_task_is_gone_with_its_run_and_no_other(root: Path) -> None:
    found = remove(root, ["cats", "new", "relic"])
    assert [(removal.name, removal.file is None, removal.run is None) for removal in found] == [
        ("cats", False, False),
        ("new", True, False),
        ("relic", True, False),
    ]
    assert sorted(path.name for path in (root / "tasks").iterdir()) == ["dogs", "dogs.safetensors"]


def test_one_unknown_name_and_nothing_is_removed(root: Path) -> None:
    before = tree(root)
    with pytest.raises(UnknownTaskError, match=r"no task 'cast' \(did you mean 'cats'"):
        remove(root, ["dogs", "cast"])
    assert tree(root) == before


@pytest.mark.parametrize("calls", range(2))
def test_a_killed_removal_leaves_a_task_whole_or_gone_and_never_a_run_to_go_on_with(
    root: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    (run_folder(root, "cats") / "state000010.safetensors").write_bytes(b"a state")
    content = task_path(root, "cats").read_bytes()
    with monkeypatch.context() as patch:
        killed_after(patch, calls)
        with pytest.raises(Killed):
            remove(root, ["cats"])
    if "cats" in task_names(root):
        assert task_path(root, "cats").read_bytes() == content
    elif "cats" in run_names(root):
        assert not checkpoint_file.paths(run_folder(root, "cats"))
    if {"cats"} & {*task_names(root), *run_names(root)}:
        remove(root, ["cats"])
    assert not {"cats"} & {*task_names(root), *run_names(root)}


def test_what_is_worked_on_is_not_touched(root: Path) -> None:
    with hold_tasks(root, "dogs"):
        for attempt in (lambda: remove(root, ["cats", "dogs"]), lambda: rename(root, "cats", "dogs")):
            with pytest.raises(HeldError, match="task 'dogs'"):
                attempt()
    assert task_names(root) == ["cats", "dogs"]


def test_what_would_go_is_told_in_bytes(root: Path) -> None:
    removal = removals(root, ["dogs", "dogs"])
    assert len(removal) == 1
    paths = [task_path(root, "dogs"), *run_folder(root, "dogs").rglob("*")]
    assert removal[0].bytes == sum(path.stat().st_size for path in paths if path.is_file())


def test_a_link_in_the_place_of_a_run_is_removed_and_what_it_leads_to_stays(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    (root / "tasks" / "linked").symlink_to(elsewhere)
    manage.remove(root, ["linked"])
    assert (elsewhere / "mine").read_text() == "mine"
    assert "linked" not in run_names(root)


def tree(root: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}
