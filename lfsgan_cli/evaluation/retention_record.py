"""What is recorded of a task when it is learned: its base, its tensors, and eight images that must stay as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import Pixels, save, to_arrays
from lfsgan_cli.generation.sampling import SamplingOptions, sample
from lfsgan_cli.images.decode import decode
from lfsgan_cli.images.formats import BadImageError
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import read_plain, write_atomic
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.system.machine import hardware, machine
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.paths import RETENTION, find_task
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import Workspace

SEEDS = range(8)
BATCH = 8  # fixed: another one may round otherwise
STYLE = SamplingOptions(1.0, "seed")  # no truncation: all that was learned
DRAWN: dict[str, Any] = {**STYLE.note(), "batch": BATCH}  # as a record notes it
ARITHMETIC = 2  # one more whenever this program, or an adapter of its own, rounds otherwise than before
MOST_BYTES = 1 << 26  # of a record, or of one of its pictures


class RecordError(LfsganError):
    """A record that nothing can be compared with."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot compare with {str(path)!r}: {reason}; remove it to have the task recorded anew")


@dataclass(frozen=True)
class Circumstances:
    """What bits may depend on: the device with its name, torch's version, the number of threads, the precision.

    arithmetic: in which order this program computes, see `ARITHMETIC`.
    """

    device: str
    torch: str
    threads: int
    precision: str
    arithmetic: int


@dataclass(frozen=True)
class Record:
    """A task as it was.

    recorded: when, ISO 8601. base: its identity. task_sha256: of the tensors. file_sha256: of the whole file, header
    included. pictures: `digest` of each seed. All but `recorded` is equal for two equal runs on one machine.
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
    base = base_file.identity(workspace.base.average)
    (folder / "retention").mkdir(parents=True, exist_ok=True)
    for seed, picture in pictures.items():
        save(picture_path(folder, seed), picture, {"task": name, "seed": seed, "base": base, **DRAWN})
    kept = Record(
        datetime.now(UTC).isoformat(timespec="seconds"),
        base,
        TaskFile.open(path).sha256,
        file_hash(path),
        {str(seed): digest(picture) for seed, picture in pictures.items()},
        circumstances(device),
    )
    write_atomic(record_path(folder), (json.dumps(kept.to_json(), indent=2, sort_keys=True) + "\n").encode())


def forget(workspace: Workspace, name: str) -> None:
    """Drop a task's record before its file is rewritten: what has no record is recorded when it is next checked."""
    record_path(workspace.task_run(name)).unlink(missing_ok=True)


def read(folder: Path) -> Record:
    """The record in a task's folder; RecordError where it is damaged, or not of this version's making."""
    path = record_path(folder)
    try:
        document = strictjson.loads(read_plain(path, MOST_BYTES))
    except (OSError, ValueError) as error:
        raise RecordError(path, "it cannot be read") from error
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
        return np.asarray(decode(read_plain(picture_path(folder, seed), MOST_BYTES)).image)
    except (OSError, BadImageError):
        return None


def record_path(folder: Path) -> Path:
    """The record of the task whose run is in `folder`."""
    return folder / RETENTION


def picture_path(folder: Path, seed: int) -> Path:
    """One of its pictures."""
    return folder / "retention" / f"seed{seed:04}.png"


def circumstances(device: torch.device) -> Circumstances:
    """Those of this process on a device; `redraw` sees to the precision."""
    here = machine()
    return Circumstances(hardware(device), here["torch"], here["threads"], "fp32", ARITHMETIC)


def redraw(workspace: Workspace, name: str, device: torch.device) -> dict[int, Pixels]:
    """The recorded seeds of a task as uint8 [R, R, 3], in `STYLE`."""
    generator = workspace.generator(name, device)
    # Whatever this process has set: in full fp32, and by algorithms that give equal bits in every call.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        batches = sample(generator, SEEDS, truncation=STYLE.truncation, noise=STYLE.noise, batch=BATCH)
        pictures = [picture for batch in batches for picture in to_arrays(batch)]
    return dict(zip(SEEDS, pictures, strict=True))


def digest(picture: Pixels) -> str:
    """SHA-256 (hex) of the pixels, row by row, red, green and blue of each."""
    return hashlib.sha256(picture.tobytes()).hexdigest()
