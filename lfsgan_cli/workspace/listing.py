"""What is in a workspace: its tasks and interrupted runs, read from headers and logs, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import open_plain
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.workspace import checkpoint_file, task_file
from lfsgan_cli.workspace.paths import METRICS, RUN, STATS, run_folder, run_names, task_names, task_path

_PLAN = "lfsgan.plan"  # in a checkpoint's header
_TAIL = 1 << 16  # bytes of a log in which the latest number is looked for
_MOST = 1 << 20  # bytes of a run's record


@dataclass(frozen=True)
class ListedTask:
    """A task. learned: date and time, ISO 8601, of its run or its file. fid: name and value of the latest, if any."""

    name: str
    adapter: str
    training: dict[str, Any]
    file_bytes: int
    learned: str
    fid: tuple[str, float] | None

    @property
    def steps(self) -> int | None:
        """Steps that it was trained for; None for one that was imported."""
        steps = self.training.get("snapshot", self.training.get("steps"))
        return steps if isinstance(steps, int) else None

    @property
    def images(self) -> int | None:
        """Number of its training images; None for one that was imported."""
        count = self.training.get("shot_count")
        return count if isinstance(count, int) else None


@dataclass(frozen=True)
class InterruptedRun:
    """A run that has not come to its end. total: steps it was to have, None where the checkpoint does not say."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Listing:
    """A workspace's tasks. unreadable: why a file could not be read, by the name of its task."""

    tasks: tuple[ListedTask, ...]
    interrupted: tuple[InterruptedRun, ...]
    unreadable: dict[str, str]


def read(root: Path) -> Listing:
    """All tasks and interrupted runs, sorted by name; NoWorkspaceError."""
    tasks: list[ListedTask] = []
    unreadable: dict[str, str] = {}
    for name in task_names(root):
        try:
            tasks.append(task(root, name))
        except LfsganError as error:
            unreadable[name] = str(error)
    return Listing(tuple(tasks), tuple(_interrupted(root)), unreadable)


def task(root: Path, name: str) -> ListedTask:
    """One task; raises as `task_file.read_info`, TaskNameError."""
    path, run = task_path(root, name), run_folder(root, name)
    metadata, size = metadata_of(path)
    adapter, training = metadata.get("lfsgan.adapter"), _object(str(metadata.get("lfsgan.training", "")).encode())
    if metadata.get("lfsgan.format") != task_file.FORMAT or not isinstance(adapter, str) or not training:
        info = task_file.read_info(path)  # which says what is wrong
        adapter, training = info.adapter, info.training
    finished = _object(_start_of(run / RUN)).get("finished")
    if not isinstance(finished, str):
        finished = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    return ListedTask(name, adapter, training, size, finished, _latest_fid(run / METRICS))


def metadata_of(path: Path) -> tuple[dict[str, Any], int]:
    """The metadata and size of a safetensors file; no metadata where it is not a whole one.

    A strict reading of a header takes some milliseconds, which are seconds for a thousand tasks.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            header = _object(file.read(length)) if length < min(size, _MOST) else {}
        metadata = header.pop("__metadata__", {})
        end = max(entry["data_offsets"][1] for entry in header.values())
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}, 0
    return (metadata, size) if isinstance(metadata, dict) and 8 + length + end == size else ({}, size)


def _latest_fid(path: Path) -> tuple[str, float] | None:
    for line in reversed(_end_of(path).splitlines()):
        measured = _object(line)
        name, value = measured.get("name"), measured.get("value")
        if measured.get("metric") == "fid" and isinstance(name, str) and isinstance(value, int | float):
            return name, float(value)
    return None


def _interrupted(root: Path) -> Iterator[InterruptedRun]:
    for name in run_names(root):
        with suppress(LfsganError):  # a folder that no task can have
            run = unfinished_run(root, name)
            if run is not None:
                yield run


def unfinished_run(root: Path, name: str) -> InterruptedRun | None:
    """The run of that name as its newest checkpoint has it; None where there is none that has not come to its end."""
    run = run_folder(root, name)
    with suppress(LfsganError, OSError, IndexError):  # a checkpoint that is being written or removed
        if checkpoint_file.is_unfinished(run):
            newest = checkpoint_file.paths(run)[0]
            plan = _object(read_header(newest).metadata.get(_PLAN, "").encode())
            total = plan.get("training", {}).get("steps") if isinstance(plan.get("training"), dict) else None
            return InterruptedRun(name, checkpoint_file.step_of(newest), total if isinstance(total, int) else None)
    return None


def last_step(root: Path, name: str) -> int:
    """The last step in the log of a run, which has a line for every few; 0 where there is none."""
    lines = _end_of(run_folder(root, name) / STATS).split(b"\n")[:-1]  # the last one may be half written
    step = _object(lines[-1]).get("step") if lines else 0
    return step if isinstance(step, int) else 0


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object; empty where the text is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _start_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError:
        return b""


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read(_TAIL)
    except OSError:
        return b""
