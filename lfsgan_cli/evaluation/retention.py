"""Retention: whether base, tensors and images of a task are what was recorded when it was learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.retention_record import (
    SEEDS,
    Record,
    circumstances,
    digest,
    picture,
    read,
    record,
    record_path,
    redraw,
)
from lfsgan_cli.io.files import FileWriteError, write_atomic
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.paths import RETENTION, find_task, task_names, task_path, tasks_folder
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import Workspace

RECORDED_NOW = "recorded just now; nothing to compare with yet"
TOLERANCE = 2  # levels of 255, on another machine; see `Verdict.retained`

Outcome: TypeAlias = Literal["equal", "differ", "other machine", "other thread count"]


@dataclass(frozen=True)
class Verdict:
    """What became of a task.

    base, task: whether the base's parameters, and the task's file, are proven to be the recorded ones. pictures: bit
    for bit, where device, torch, threads and precision are the record's ("other machine" or "other thread count"
    where they are not).
    largest_difference: in levels, 0..255, over `compared` pictures. why: what differs; empty where nothing does.
    """

    base: bool
    task: bool
    pictures: Outcome
    largest_difference: int
    compared: int
    why: str

    @property
    def retained(self) -> bool:
        """Whether the task is what it was.

        Equal tensors draw equal pictures, up to rounding. Another machine (processor, version of torch, number of
        threads) takes sums in another order, and where a value lies next to a level's edge, that moves it by a level:
        on tasks of the embedded base, pictures in fp32 are within one level of those in fp64, with three values in
        100,000 moved. So two machines are within two levels of each other. A real change of the task does not hide
        below that: tensors are compared by their hash in any case.
        """
        close = self.pictures.startswith("other ") and self.largest_difference <= TOLERANCE
        return self.base and self.task and (self.pictures == "equal" or close)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, `retained` among them."""
        return {**asdict(self), "retained": self.retained}


def names(workspace: Workspace) -> list[str]:
    """All tasks that can be checked, sorted: those whose file is there, and those recorded whose file is gone."""
    recorded = [path.parent.name for path in tasks_folder(workspace.root).glob(f"[!.]*/{RETENTION}")]
    return sorted({*task_names(workspace.root), *recorded})


def check(workspace: Workspace, name: str, device: torch.device) -> Verdict:
    """Compare a task with its record; a task that has none (its file came alone) is recorded now, and `why` says so.

    Whatever is damaged, missing or changed is a verdict. Raises UnknownTaskError for a name that never was a task's,
    FileWriteError where a record cannot be written.
    """
    folder = workspace.task_run(name)
    if not record_path(folder).exists():
        find_task(workspace.root, name)
    try:
        if record_path(folder).exists():
            return _compare(workspace, name, read(folder), device)
        record(workspace, name, device)
    except FileWriteError:
        raise
    except LfsganError as error:
        return Verdict(base=False, task=False, pictures="differ", largest_difference=0, compared=0, why=str(error))
    return Verdict(base=True, task=True, pictures="equal", largest_difference=0, compared=0, why=RECORDED_NOW)


def check_all(workspace: Workspace, names: Sequence[str], device: torch.device) -> dict[str, Verdict]:
    """Check several tasks; raises as `check` does."""
    for name in names:
        if not record_path(workspace.task_run(name)).exists():
            find_task(workspace.root, name)  # a mistyped name is refused before work begins
    opened = Workspace(workspace.root)  # what is on disk counts, not what was read earlier
    return {name: check(opened, name, device) for name in names}


def save_verdicts(workspace: Workspace, verdicts: Mapping[str, Verdict]) -> None:
    """Write verdicts into the workspace's `retention.json`, for the report."""
    checked = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"checked": checked, "tasks": {name: verdict.to_json() for name, verdict in verdicts.items()}}
    path = workspace.root / RETENTION
    write_atomic(path, (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def _compare(workspace: Workspace, name: str, kept: Record, device: torch.device) -> Verdict:
    try:
        now = base_file.identity(workspace.base.average)
        base = "" if now == kept.base else f"the base is {now[:12]}… now, and it was {kept.base[:12]}…"
    except LfsganError as error:
        base = str(error)
    path = task_path(workspace.root, name)
    try:
        tensors, header = TaskFile.open(path).sha256, file_hash(path)
        task = "" if header == kept.file_sha256 else f"the header of {str(path)!r} was changed"
        if tensors != kept.task_sha256:
            task = f"the tensors in {str(path)!r} are not those that were recorded"
    except LfsganError as error:
        task = str(error)
    outcome, differences, images = _compare_images(workspace, name, kept, device)
    why = dict.fromkeys(reason for reason in (base, task, images) if reason)  # one damage may show twice
    return Verdict(
        base=not base,
        task=not task,
        pictures=outcome,
        largest_difference=max(differences, default=0),
        compared=len(differences),
        why="; ".join(why),
    )


def _compare_images(
    workspace: Workspace, name: str, kept: Record, device: torch.device
) -> tuple[Outcome, Sequence[int], str]:
    """The outcome, the largest difference in levels of each pair that can be compared, and the reason."""
    try:
        generated = redraw(workspace, name, device)
    except LfsganError as error:
        return "differ", [], str(error)
    recorded = {seed: picture(workspace.task_run(name), seed) for seed in SEEDS}
    pairs = [(generated[seed], before) for seed, before in recorded.items() if before is not None]
    differences = [
        int(np.abs(now.astype(np.int16) - before.astype(np.int16)).max())
        for now, before in pairs
        if now.shape == before.shape
    ]
    # A recorded image that is not the recorded one proves nothing anywhere.
    spoilt = [seed for seed, before in recorded.items() if before is None or digest(before) != kept.pictures[str(seed)]]
    if spoilt:
        return "differ", differences, f"the record's own images are changed or gone (seeds {_listed(spoilt)})"
    then, here = kept.circumstances, circumstances(device)
    if here != then:
        before, after = asdict(then), asdict(here)
        changes = [f"{key} was {before[key]}, is {after[key]}" for key in before if before[key] != after[key]]
        only_threads = here == replace(then, threads=here.threads)
        outcome: Outcome = "other thread count" if only_threads else "other machine"
        return outcome, differences, f"not comparable bit for bit: {', '.join(changes)}"
    changed = [seed for seed, now in generated.items() if digest(now) != kept.pictures[str(seed)]]
    if changed:
        return "differ", differences, f"other images are generated (seeds {_listed(changed)})"
    return "equal", differences, ""


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
