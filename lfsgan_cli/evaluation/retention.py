"""Proving that no task was forgotten: base, tensors and pictures compared with what was recorded of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import Pixels, save, to_arrays
from lfsgan_cli.generation.sampling import SamplingOptions, sample
from lfsgan_cli.images.decode import decode
from lfsgan_cli.images.formats import BadImageError
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.files import FileWriteError, read_plain, write_atomic
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.system.machine import hardware, machine
from lfsgan_cli.workspace import base_file, task_file
from lfsgan_cli.workspace.paths import RETENTION, find_task, task_names, task_path, tasks_folder
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
        return _compare(workspace, name, read(folder), device)
    except RecordError as error:
        return _unproven(error)


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
        now = base_file.identity(workspace.base.average)
    except LfsganError as error:
        return str(error)
    return "" if now == kept.base else f"the base is {now[:12]}… now, and it was {kept.base[:12]}…"


def _change_of_task(workspace: Workspace, name: str, kept: Record) -> str:
    """What happened to the task's file; empty where nothing did."""
    path = task_path(workspace.root, name)
    try:
        tensors = safetensors.tensors_sha256(task_file.read(path)[1])
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
    recorded = {seed: picture(workspace.task_run(name), seed) for seed in SEEDS}
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
        only_threads = here == replace(kept.circumstances, threads=here.threads)
        return "other thread count" if only_threads else "other machine", _elsewhere(kept.circumstances, here)
    changed = [seed for seed, now in drawn.items() if digest(now) != kept.pictures[str(seed)]]
    return ("differ", f"other pictures are drawn (seeds {_listed(changed)})") if changed else ("equal", "")


def _elsewhere(then: Circumstances, now: Circumstances) -> str:
    before, after = asdict(then), asdict(now)
    changes = [f"{key} was {before[key]}, is {after[key]}" for key in before if before[key] != after[key]]
    return f"not comparable bit for bit: {', '.join(changes)}"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


# What is remembered of a task since it was learned: the base, the tensors and the pictures that are to stay.


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
    base = base_file.identity(workspace.base.average)
    (folder / "retention").mkdir(parents=True, exist_ok=True)
    for seed, picture in pictures.items():
        save(picture_path(folder, seed), picture, {"task": name, "seed": seed, "base": base, **DRAWN})
    kept = Record(
        datetime.now(UTC).isoformat(timespec="seconds"),
        base,
        safetensors.tensors_sha256(task_file.read(path)[1]),
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


# Drawing a task's recorded seeds, always in one way, and what the bits of that depend on besides the task.


SEEDS = range(8)
BATCH = 8  # fixed: another one may round otherwise
STYLE = SamplingOptions(1.0, "seed")  # no truncation: all that was learned
DRAWN: dict[str, Any] = {**STYLE.note(), "batch": BATCH}  # as a record notes it
ARITHMETIC = 2  # one more whenever this program, or an adapter of its own, rounds otherwise than before


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
