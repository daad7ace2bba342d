"""What is remembered of a task since it was learned: the base, the tensors and the pictures that are to stay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lfsgan_cli import basefile, strictjson, taskfile, tensorfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import write_atomic
from lfsgan_cli.hashing import file_hash
from lfsgan_cli.jobs.redrawing import DRAWN, SEEDS, Circumstances, circumstances, digest, redraw
from lfsgan_cli.jobs.sheets import Pixels, save
from lfsgan_cli.pictures.decode import decode
from lfsgan_cli.pictures.errors import BadPictureError
from lfsgan_cli.plainfile import read_plain
from lfsgan_cli.taskfolder import RETENTION, find_task
from lfsgan_cli.workspace import Workspace

MOST_BYTES = 1 << 26  # of a record, or of one of its pictures


class RecordError(LfsganError):
    """A record that nothing can be compared with."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot compare with {str(path)!r}: {reason}; remove it to have the task recorded anew")


@dataclass(frozen=True)
class Record:
    """A task as it was.

    recorded: when, ISO 8601. base: its identity. task_sha256: of the tensors. file_sha256: of the whole file, header
    included. pictures: `redrawing.digest` of each seed. All but `recorded` is equal for two equal runs on one machine.
    """

    recorded: str
    base: str
    task_sha256: str
    file_sha256: str
    pictures: Mapping[str, str]
    circumstances: Circumstances

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, on one level, with how the pictures were drawn."""
        document = asdict(self)
        drawn_by = document.pop("circumstances")
        return {**document, **drawn_by, **DRAWN}


def record(workspace: Workspace, name: str, device: torch.device) -> None:
    """Remember a learned task as it is: `retention/seed0000.png` … and `retention.json` in the task's folder.

    Raises as `Workspace.generator` does.
    """
    pictures = redraw(workspace, name, device)
    path, folder = find_task(workspace.root, name), workspace.task_run(name)
    base = basefile.identity(workspace.base.average)
    (folder / "retention").mkdir(parents=True, exist_ok=True)
    for seed, picture in pictures.items():
        save(picture_path(folder, seed), picture, {"task": name, "seed": seed, "base": base, **DRAWN})
    kept = Record(
        datetime.now(UTC).isoformat(timespec="seconds"),
        base,
        tensorfile.content_hash(taskfile.read(path)[1]),
        file_hash(path),
        {str(seed): digest(picture) for seed, picture in pictures.items()},
        circumstances(device),
    )
    write_atomic(record_path(folder), (json.dumps(kept.to_json(), indent=2, sort_keys=True) + "\n").encode())


def read(folder: Path) -> Record:
    """The record in a task's folder; RecordError where it is damaged, or not of this version's making."""
    path = record_path(folder)
    try:
        document = strictjson.loads(read_plain(path, MOST_BYTES))
    except (OSError, ValueError) as error:
        raise RecordError(path, "it cannot be read") from error
    if isinstance(document, dict):
        document.setdefault("arithmetic", 1)  # the first, in records from before it changed
    match document:
        case {
            "recorded": str(recorded), "base": str(base), "task_sha256": str(task), "file_sha256": str(file),
            "pictures": dict(pictures), "device": str(device), "torch": str(version), "threads": int(threads),
            "precision": str(precision), "arithmetic": int(arithmetic), **rest,
        } if rest == DRAWN and pictures.keys() == {str(seed) for seed in SEEDS}:  # fmt: skip
            where = Circumstances(device, version, threads, precision, arithmetic)
            return Record(recorded, base, task, file, pictures, where)
    raise RecordError(path, "it is damaged, or another version of lfsgan made it")


def picture(folder: Path, seed: int) -> Pixels | None:
    """A recorded picture, uint8 [R, R, 3]; None where it cannot be read."""
    try:
        return np.asarray(decode(read_plain(picture_path(folder, seed), MOST_BYTES)).picture)
    except (OSError, BadPictureError):
        return None


def record_path(folder: Path) -> Path:
    """The record of the task whose run is in `folder`."""
    return folder / RETENTION


def picture_path(folder: Path, seed: int) -> Path:
    """One of its pictures."""
    return folder / "retention" / f"seed{seed:04}.png"
