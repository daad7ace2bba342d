"""Where a workspace keeps its base, its tasks and what is known of them: names and files, found without torch."""

import json
import os
from bisect import bisect_left
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import check_name

SUFFIX = ".safetensors"
BASE_FILE = f"base{SUFFIX}"
RESERVED = "base"  # the folder of images from `generate --with-base`

# In the folder of a task's run, and but for the first one in that of the base's.
FEW_SHOTS = "few_shots"  # copies of what the task was learned from
RUN = "run.json"  # when, on what and how long it ran, once it is finished
SNAPSHOTS = "snapshots"  # task files of earlier steps
STATS = "stats.jsonl"  # losses, a line for every few steps
METRICS = "metrics.jsonl"  # a line for every number that was measured
RETENTION = "retention.json"  # what is remembered of a task; in the workspace's own folder the verdicts on all of them

TRASH = "trash"  # the folder of removed tasks
_NEAREST = 3  # names that a message proposes
_COMPARED = 1000  # names, those next to the wanted one in order, among which they are looked for
# What people take for a picture's file: `--task grid.png` would be no task's name to them.
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")


class NoWorkspaceError(LfsganError):
    """A folder that is not there."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"there is no workspace at {str(root)!r}; make one with "
            "`lfsgan learn-task --images DIR --name NAME`, or name another folder with --workspace"
        )


class ReadOnlyError(LfsganError):
    """Work in a remote workspace that needs a local one. what: the work."""

    def __init__(self, address: str, what: str) -> None:
        super().__init__(
            f"{what} needs a local workspace, and {address} is remote: work in a folder, then publish its tasks with "
            f"`lfsgan tasks push NAME {address}`"
        )


class NoBaseError(LfsganError):
    """A workspace without its base."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"the workspace at {str(root)!r} has no base yet; `lfsgan learn-task` puts the embedded one there, "
            "`lfsgan pretrain` makes one"
        )


class UnknownTaskError(LfsganError):
    """A task that nobody learned here."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        all_names = sorted(known)
        first = max(0, bisect_left(all_names, name) - _COMPARED // 2) if len(all_names) > _COMPARED else 0
        near = " or ".join(map(repr, get_close_matches(name, all_names[first : first + _COMPARED], n=_NEAREST)))
        meant = f" (did you mean {near}?)" if near else ""
        way = "`lfsgan tasks list` lists them all" if all_names else "`lfsgan learn-task` learns one"
        super().__init__(f"there is no task {name!r}{meant}; {way}")


def base_path(root: Path) -> Path:
    """The file of the workspace's base, which must be there; NoWorkspaceError or NoBaseError otherwise."""
    check_root(root)
    path = root / BASE_FILE
    if not path.is_file():
        raise NoBaseError(root)
    return path


def check_root(root: Path) -> None:
    """NoWorkspaceError where there is no workspace."""
    if not root.is_dir():
        raise NoWorkspaceError(root)


def tasks_folder(root: Path) -> Path:
    """Where the files of all tasks are, and the folders of their runs."""
    return root / "tasks"


def run_folder(root: Path, name: str) -> Path:
    """Where learning a task keeps its shots, state, logs and pictures; raises as `task_path`."""
    return task_path(root, name).with_suffix("")


def task_path(root: Path, name: str) -> Path:
    """The file of a task, whether it is there or not; TaskNameError where no task can have that name."""
    return tasks_folder(root) / f"{check_name(name)}{SUFFIX}"


def stands_for(name: str) -> str | None:
    """What a name stands for already, so that no task can have it; None for all others."""
    if name.lower() == RESERVED:
        return "the base itself"
    if name.lower().endswith(SUFFIX):  # its folder would stand where the other task's file is
        return f"the file of task {name[: -len(SUFFIX)]!r}"
    if name.lower().endswith(_IMAGE_SUFFIXES):
        return "an image file"
    return None


def task_names(root: Path) -> list[str]:
    """The names of the tasks in a workspace, sorted; NoWorkspaceError if there is no workspace."""
    return sorted(names_in(root)[0])


def run_names(root: Path) -> list[str]:
    """The names under which a run was begun, sorted, whether a task came of it or not; as `task_names` raises."""
    tasks = tasks_folder(root)
    return sorted(name for name in names_in(root)[1] if (tasks / name).is_dir())


def names_in(root: Path) -> tuple[set[str], set[str]]:
    """The names of tasks, and those of all else beside their files, most of which are runs; as `task_names` raises.

    In a workspace of 100,000 tasks this takes a tenth of a second: nothing is looked at but the names.
    """
    check_root(root)
    try:
        names = [name for name in os.listdir(tasks_folder(root)) if not name.startswith(".")]  # noqa: PTH208 - faster
    except (FileNotFoundError, NotADirectoryError):  # no task was learned yet
        return set(), set()
    tasks = {name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)}
    return tasks, {name for name in names if not name.endswith(SUFFIX)}


def recorded_hash(run: Path) -> str | None:
    """SHA-256 (hex) of a task's whole file as it was when it was learned; None where no record says."""
    try:
        document = json.loads((run / RETENTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    recorded = document.get("file_sha256") if isinstance(document, dict) else None
    return recorded if isinstance(recorded, str) else None


def find_task(root: Path, name: str) -> Path:
    """The file of a task that is there; UnknownTaskError, NoWorkspaceError or TaskNameError otherwise."""
    check_root(root)
    path = task_path(root, name)
    if not path.is_file():
        raise UnknownTaskError(name, task_names(root))
    return path


def is_remote(workspace: str | Path) -> bool:
    """Whether it is an address, s3://… or hf://…, and no path."""
    return str(workspace).startswith(("s3:", "hf:"))


def spelled(workspace: Path) -> str:
    """A workspace as it was given: a path has lost one of an address's slashes."""
    return str(workspace).replace(":/", "://", 1) if is_remote(workspace) else str(workspace)


def check_local(workspace: Path, what: str) -> None:
    """ReadOnlyError for a remote workspace. what: the work that needs a local one."""
    if is_remote(workspace):
        raise ReadOnlyError(spelled(workspace), what)
