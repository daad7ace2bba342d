"""The folder of one training run: its checkpoints with the plan in them, its log, its image grids, its record."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError, is_out_of_memory
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import FileWriteError, partials, write_atomic
from lfsgan_cli.options import OptionError
from lfsgan_cli.system.machine import hardware, machine
from lfsgan_cli.workspace import checkpoint_file
from lfsgan_cli.workspace.checkpoint_file import UnusableStateError
from lfsgan_cli.workspace.paths import RUN, STATS

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.training.loop import Step, TrainingLoop


P = TypeVar("P")

PLAN_KEY = "lfsgan.plan"
HARDWARE_KEY = "lfsgan.hardware"  # with the model: another one may round otherwise
DEVICE_KEY = "lfsgan.device"  # the kind alone: a run on cuda:0 may resume on cuda:1
_EXTRA = "session."  # begins the names of tensors that are not the training loop's
_GRID = re.compile(r"fakes(\d{6,18})\.png")


class NothingToResumeError(LfsganError):
    """A run that has no checkpoint."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"nothing to resume: {str(path)!r} holds no checkpoint; start a new run without --resume")


class OtherDeviceError(LfsganError):
    """A run whose random numbers come from another kind of device."""

    def __init__(self, began: str, now: str) -> None:
        super().__init__(f"the run began on {began!r} and can only resume there, not on {now!r}; add --device {began}")


@dataclass(frozen=True)
class Restored:
    """What a checkpoint told beside the training loop.

    plan: as JSON. extra: what `RunFolder.save` was given as `extra`. damaged: newer checkpoints, which are damaged.
    moved: the hardware that it was made on, where that is not this one; else ''.
    """

    plan: dict[str, Any]
    extra: dict[str, Tensor]
    damaged: tuple[Path, ...]
    moved: str


class RunFolder:
    """Files of a run. A checkpoint carries the plan in its header, so that both are always of the same run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def unfinished(self) -> bool:
        """Whether the folder holds an unfinished run."""
        return checkpoint_file.is_unfinished(self.path)

    @property
    def finished(self) -> bool:
        """Whether the folder holds a finished run."""
        return (self.path / RUN).exists()

    @property
    def checkpoint_step(self) -> int | None:
        """The number of finished steps in the newest checkpoint; None where there is no checkpoint."""
        return next(map(checkpoint_file.step_of, checkpoint_file.paths(self.path)), None)

    def prepare(self) -> None:
        """Empty the folder. The checkpoints of an earlier run go first, so that it cannot be resumed."""
        checkpoint_file.drop(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def reopen(self) -> None:
        """Mark a finished run as unfinished, since it was lengthened."""
        (self.path / RUN).unlink(missing_ok=True)

    def plan(self, read: Callable[[dict[str, Any]], P]) -> P:
        """The plan of the run, which `read` makes from JSON; NothingToResumeError, UnusableStateError."""
        checkpoint = self._newest()
        try:
            return read(_plan(checkpoint))
        except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
            raise UnusableStateError(checkpoint.path) from error

    def save(self, loop: TrainingLoop, plan: Mapping[str, Any], extra: Mapping[str, Tensor]) -> None:
        """Write a checkpoint beside the one before; DivergedRunError writes none if a number is not finite.

        Of several ranks, only the first writes: it has the state of all.
        """
        if not loop.ranks.first:
            return
        tensors = loop.pack() | {f"{_EXTRA}{name}": tensor.cpu() for name, tensor in extra.items()}
        wrong = non_finite_tensor(tensors)
        if wrong is not None:
            raise DivergedRunError(wrong, loop.done, plan, self.checkpoint_step)
        log = self.path / STATS
        if log.exists():  # on the disk before the checkpoint, so that a power failure loses no line
            with log.open("ab") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())
        text = json.dumps(plan, sort_keys=True, ensure_ascii=False)
        made = {PLAN_KEY: text, DEVICE_KEY: loop.device.type, HARDWARE_KEY: hardware(loop.device)}
        checkpoint_file.write(self.path, loop.done, tensors, made)

    def restore(self, loop: TrainingLoop) -> Restored:
        """Load the newest undamaged checkpoint into a training loop.

        Later log lines and image grids, which will come again, and partly written files are removed, by the first rank.
        """
        checkpoint = self._newest()
        began = checkpoint.metadata.get(DEVICE_KEY, loop.device.type)
        if began != loop.device.type:
            raise OtherDeviceError(began, loop.device.type)
        made_on = checkpoint.metadata.get(HARDWARE_KEY, "")
        moved = made_on if made_on != hardware(loop.device) else ""
        try:
            loop.unpack(checkpoint.tensors)
        except (KeyError, ValueError, RuntimeError) as error:
            raise UnusableStateError(checkpoint.path) from error
        if loop.ranks.first:
            self.cut(loop.done)
            for partial in partials(self.path):
                partial.unlink(missing_ok=True)
        extra = {name.removeprefix(_EXTRA): t for name, t in checkpoint.tensors.items() if name.startswith(_EXTRA)}
        return Restored(_plan(checkpoint), extra, checkpoint.skipped, moved)

    def log(self, step: Step) -> None:
        """One line of `stats.jsonl`: the step and its losses."""
        losses = {name: float(f"{float(loss):.6g}") for name, loss in step.losses.items()}
        path = self.path / STATS
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step.done, **losses}) + "\n")
        except OSError as error:
            raise FileWriteError(path, error) from error

    def cut(self, done: int) -> None:
        """Remove log lines and image grids from after `done` steps, and an incomplete last line."""
        path = self.path / STATS
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            write_atomic(path, b"".join(line for line in lines if _step(line, done + 1) <= done))
        for grid in self.path.glob("fakes*.png"):
            match = _GRID.fullmatch(grid.name)
            if match is not None and int(match[1]) > done:
                grid.unlink(missing_ok=True)

    def finish(self, document: Mapping[str, Any], seconds: float, *, keep_checkpoint: bool) -> None:
        """Write the record of the run; of its checkpoints the last is kept, or none."""
        about = {
            **document,
            "seconds": round(seconds, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "lfsgan": __version__,
            **machine(),
        }
        write_atomic(self.path / RUN, (json.dumps(about, indent=2, sort_keys=True) + "\n").encode())
        checkpoint_file.drop(self.path, keep=1 if keep_checkpoint else 0)

    def _newest(self) -> checkpoint_file.StoredCheckpoint:
        if not checkpoint_file.paths(self.path):
            raise NothingToResumeError(self.path)
        return checkpoint_file.newest(self.path)


def _plan(checkpoint: checkpoint_file.StoredCheckpoint) -> dict[str, Any]:
    try:
        plan = strictjson.loads(checkpoint.metadata[PLAN_KEY])
    except (KeyError, ValueError) as error:
        raise UnusableStateError(checkpoint.path) from error
    if not isinstance(plan, dict):
        raise UnusableStateError(checkpoint.path)
    return plan


def _step(line: bytes, unreadable: int) -> int:
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else unreadable
    except (ValueError, KeyError, TypeError, RecursionError):
        return unreadable


class Stopwatch:
    """Seconds since it was made, or since it was last asked whether an interval has passed."""

    def __init__(self) -> None:
        self.start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def left(self, interval: float) -> float:
        """Seconds until `interval` has passed; 0 where it has."""
        return max(0.0, self._last + interval - time.monotonic())

    def passed(self, interval: float) -> bool:
        """Whether `interval` seconds went by since this last was true."""
        now = time.monotonic()
        if now - self._last < interval:
            return False
        self._last = now
        return True


# Divergence check of losses and weights, and memory that runs out.


LEAST_PAIR = 3  # samples; half of them are no pair
EXPLODED = 1e7  # the largest term, mode seeking's, is bounded by its weight of 7 over its epsilon of 1e-5: 7e5


class DivergedRunError(LfsganError):
    """A run whose losses or weights are not finite; its last good checkpoints are kept. plan: of the run."""

    def __init__(self, what: str, done: int, plan: Mapping[str, Any], kept: int | None) -> None:
        training = plan["training"]
        precision = " or --precision fp32" if training["precision"] == "bf16" else ""
        state = f"the checkpoint after step {kept:,} is kept; " if kept is not None else ""
        super().__init__(
            f"training went wrong: after step {done:,} {what}; {state}"
            f"start again with --overwrite and a lower --lr (it was {training['lr']:g}){precision}"
        )


class OutOfMemoryRunError(LfsganError):
    """A step that did not fit into memory; the checkpoints are whole."""

    def __init__(self, done: int, training: Mapping[str, Any], resume: str) -> None:
        batch = training["batch"]
        seeking = training.get("mode_seeking", {"weight": 0.0, "batch": 0})
        weights = seeking["weight"], training.get("energy_weight"), training.get("memorization_weight")
        samples = seeking["batch"] if any(weights) else 0
        fewer = [f"--batch {batch // 2}"] * (batch > 1)
        fewer += [f"-t mode_seeking.batch={samples // 2}"] * (samples > LEAST_PAIR)
        lower = f"start again with --overwrite and {' and '.join(fewer)}, or " if fewer else ""
        super().__init__(
            f"there is not enough memory for a step of --batch {batch} (after step {done:,}): {lower}"
            f"free memory or use a machine with more, and resume with: {resume}"
        )


def diverged_loss(losses: Mapping[str, Tensor]) -> str | None:
    """What is wrong with a step's losses, in words; None where nothing is. Waits for the device."""
    for name, loss in losses.items():
        value = float(loss)
        if not math.isfinite(value):
            return f"the loss {name!r} is {value}"
        if abs(value) > EXPLODED:
            return f"the loss {name!r} has exploded to {value:.3g}"
    return None


def non_finite_tensor(tensors: Mapping[str, Tensor]) -> str | None:
    """What is wrong with a checkpoint, in words; None where every number of it is finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return f"{name!r} holds numbers that are not finite"
    return None


@contextmanager
def enough_memory(run: TrainingLoop, training: Mapping[str, Any], resume: str) -> Iterator[None]:
    """Raise OutOfMemoryRunError when a device's memory is full. training: the settings of the run."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryRunError(run.done, training, resume) from error
        raise
