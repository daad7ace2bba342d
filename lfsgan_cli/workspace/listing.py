"""What is in a workspace: its tasks and interrupted runs, read from headers and logs, without torch."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import open_plain
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.workspace import checkpoint_file, task_file
from lfsgan_cli.workspace.paths import METRICS, RUN, STATS, names_in, run_folder, task_path

_PLAN = "lfsgan.plan"  # in a checkpoint's header
_TAIL = 1 << 16  # bytes of a log in which the latest number is looked for
_MOST = 1 << 20  # bytes of a run's record
PAGE = 50  # names


@dataclass(frozen=True)
class ListedTask:
    """A task. learned: date and time, ISO 8601, of its run or its file. fid: name and value of the latest, if any.

    document: all that `lfsgan tasks list --json` shows, where it is known without reading the file again.
    """

    name: str
    adapter: str
    training: dict[str, Any]
    file_bytes: int
    learned: str
    fid: tuple[str, float] | None
    document: Mapping[str, Any] | None = None

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
    """A workspace's tasks, or some of them.

    unreadable: why a file could not be read, by the name of its task. cut: the last name, where the listing was cut
    after it because of a limit.
    """

    tasks: tuple[ListedTask, ...]
    interrupted: tuple[InterruptedRun, ...]
    unreadable: dict[str, str]
    cut: str | None = None


def read(root: Path) -> Listing:
    """All tasks and interrupted runs, sorted by name; NoWorkspaceError."""
    return joined(pages(root))


def joined(parts: Iterable[Listing]) -> Listing:
    """The parts of a listing as one."""
    found = list(parts)
    return Listing(
        tuple(task for page in found for task in page.tasks),
        tuple(run for page in found for run in page.interrupted),
        {name: why for page in found for name, why in page.unreadable.items()},
        found[-1].cut if found else None,
    )


def pages(root: Path, *, after: str = "", limit: int | None = None) -> Iterator[Listing]:
    """As `read`, in parts of up to `PAGE` names, each read when it is asked for.

    after: only names behind this one. limit: of names, in all parts together. Only the names are read of all tasks.
    """
    tasks, runs = names_in(root)
    ordered = sorted(tasks | runs)
    left = len(ordered) if limit is None else limit
    page: list[tuple[str, ListedTask | str | None, InterruptedRun | None]] = []
    for name in ordered[bisect_right(ordered, after) :]:
        if left == 0:
            yield _listing(page, cut=page[-1][0] if page else after)
            return
        found = (name, _task_or_why(root, name) if name in tasks else None, _run(root, name) if name in runs else None)
        if found[1:] == (None, None):  # what a removed task or a finished import left
            continue
        page, left = [*page, found], left - 1
        if len(page) == PAGE and left:
            yield _listing(page)
            page = []
    yield _listing(page)


def _listing(page: list[tuple[str, ListedTask | str | None, InterruptedRun | None]], cut: str | None = None) -> Listing:
    return Listing(
        tuple(found for _, found, _ in page if isinstance(found, ListedTask)),
        tuple(run for _, _, run in page if run is not None),
        {name: found for name, found, _ in page if isinstance(found, str)},
        cut,
    )


def _task_or_why(root: Path, name: str) -> ListedTask | str:
    try:
        return task(root, name)
    except LfsganError as error:
        return str(error)


def _run(root: Path, name: str) -> InterruptedRun | None:
    with suppress(LfsganError):  # a folder that no task can have
        return unfinished_run(root, name)
    return None


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
