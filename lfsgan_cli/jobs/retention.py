"""Proving that no task was forgotten: base, tensors and pictures compared with what was recorded of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from lfsgan_cli import basefile, taskfile, tensorfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import FileWriteError, write_atomic
from lfsgan_cli.hashing import file_hash
from lfsgan_cli.jobs import records
from lfsgan_cli.jobs.records import Record, RecordError, record, record_path
from lfsgan_cli.jobs.redrawing import SEEDS, Circumstances, circumstances, digest, redraw
from lfsgan_cli.jobs.sheets import Pixels
from lfsgan_cli.taskfolder import RETENTION, find_task, task_names, task_path, tasks_folder
from lfsgan_cli.workspace import Workspace

RECORDED_NOW = "recorded just now; nothing to compare with yet"
TOLERANCE = 2  # levels of 255, on another machine; see `Verdict.retained`

Outcome: TypeAlias = Literal["equal", "differ", "other machine"]


@dataclass(frozen=True)
class Verdict:
    """What became of a task.

    base, task: whether the base's parameters, and the task's file, are proven to be the recorded ones. pictures: bit
    for bit, where device, torch, threads and precision are the record's ("other machine" where they are not).
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
        close = self.pictures == "other machine" and self.largest_difference <= TOLERANCE
        return self.base and self.task and (self.pictures == "equal" or close)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, `retained` among them."""
        return {**asdict(self), "retained": self.retained}


@dataclass(frozen=True)
class _Pictures:
    """How the pictures compare; the fields are those of `Verdict`."""

    outcome: Outcome
    largest_difference: int
    compared: int
    why: str


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
        return _begin(workspace, name, device)
    try:
        return _compare(workspace, name, records.read(folder), device)
    except RecordError as error:
        return _unproven(error)


def check_all(workspace: Workspace, names: Sequence[str], device: torch.device) -> dict[str, Verdict]:
    """Check tasks, and write the verdicts into the workspace's `retention.json`; raises as `check` does."""
    for name in names:
        if not record_path(workspace.task_run(name)).exists():
            find_task(workspace.root, name)  # a mistyped name is refused before work begins
    opened = Workspace(workspace.root)  # what is on disk counts, not what was read earlier
    verdicts = {name: check(opened, name, device) for name in names}
    checked = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"checked": checked, "tasks": {name: verdict.to_json() for name, verdict in verdicts.items()}}
    path = workspace.root / RETENTION
    write_atomic(path, (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return verdicts


def _begin(workspace: Workspace, name: str, device: torch.device) -> Verdict:
    find_task(workspace.root, name)
    try:
        record(workspace, name, device)
    except FileWriteError:
        raise
    except LfsganError as error:
        return _unproven(error)
    return Verdict(base=True, task=True, pictures="equal", largest_difference=0, compared=0, why=RECORDED_NOW)


def _unproven(error: LfsganError) -> Verdict:
    return Verdict(base=False, task=False, pictures="differ", largest_difference=0, compared=0, why=str(error))


def _compare(workspace: Workspace, name: str, kept: Record, device: torch.device) -> Verdict:
    base, task = _change_of_base(workspace, kept), _change_of_task(workspace, name, kept)
    pictures = _compare_pictures(workspace, name, kept, device)
    why = dict.fromkeys(reason for reason in (base, task, pictures.why) if reason)  # one damage may show twice
    return Verdict(
        base=not base,
        task=not task,
        pictures=pictures.outcome,
        largest_difference=pictures.largest_difference,
        compared=pictures.compared,
        why="; ".join(why),
    )


def _change_of_base(workspace: Workspace, kept: Record) -> str:
    """What happened to the base; empty where nothing did."""
    try:
        now = basefile.identity(workspace.base.average)
    except LfsganError as error:
        return str(error)
    return "" if now == kept.base else f"the base is {now[:12]}… now, and it was {kept.base[:12]}…"


def _change_of_task(workspace: Workspace, name: str, kept: Record) -> str:
    """What happened to the task's file; empty where nothing did."""
    path = task_path(workspace.root, name)
    try:
        tensors = tensorfile.content_hash(taskfile.read(path)[1])
    except LfsganError as error:
        return str(error)
    if tensors != kept.task_sha256:
        return f"the tensors in {str(path)!r} are not those that were recorded"
    return "" if file_hash(path) == kept.file_sha256 else f"the header of {str(path)!r} was changed"


def _compare_pictures(workspace: Workspace, name: str, kept: Record, device: torch.device) -> _Pictures:
    try:
        drawn = redraw(workspace, name, device)
    except LfsganError as error:
        return _Pictures("differ", 0, 0, str(error))
    recorded = {seed: records.picture(workspace.task_run(name), seed) for seed in SEEDS}
    differences = _differences(drawn, recorded)
    outcome, why = _judge(kept, drawn, recorded, circumstances(device))
    return _Pictures(outcome, max(differences, default=0), len(differences), why)


def _differences(drawn: dict[int, Pixels], recorded: dict[int, Pixels | None]) -> list[int]:
    """The largest difference in levels of each pair that can be compared."""
    pairs = [(drawn[seed], before) for seed, before in recorded.items() if before is not None]
    return [
        int(np.abs(now.astype(np.int16) - before.astype(np.int16)).max())
        for now, before in pairs
        if now.shape == before.shape
    ]


def _judge(
    kept: Record, drawn: dict[int, Pixels], recorded: dict[int, Pixels | None], here: Circumstances
) -> tuple[Outcome, str]:
    """The outcome and its reason. A recorded picture that is not the recorded one proves nothing anywhere."""
    spoilt = [seed for seed, before in recorded.items() if before is None or digest(before) != kept.pictures[str(seed)]]
    if spoilt:
        return "differ", f"the record's own pictures are changed or gone (seeds {_listed(spoilt)})"
    if here != kept.circumstances:
        return "other machine", _elsewhere(kept.circumstances, here)
    changed = [seed for seed, now in drawn.items() if digest(now) != kept.pictures[str(seed)]]
    return ("differ", f"other pictures are drawn (seeds {_listed(changed)})") if changed else ("equal", "")


def _elsewhere(then: Circumstances, now: Circumstances) -> str:
    before, after = asdict(then), asdict(now)
    changes = [f"{key} was {before[key]}, is {after[key]}" for key in before if before[key] != after[key]]
    return f"not comparable bit for bit: {', '.join(changes)}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
