"""The folder of one training run: its plan, its last states, its log, its pictures."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import FileWriteError, partials, write_atomic
from lfsgan_cli.options import OptionError, spell
from lfsgan_cli.runs.health import DivergedRunError, non_finite_tensor
from lfsgan_cli.system.machine import hardware, machine
from lfsgan_cli.workspace import checkpoint_file
from lfsgan_cli.workspace.checkpoint_file import UnusableStateError
from lfsgan_cli.workspace.paths import RUN, STATS

if TYPE_CHECKING:
    from lfsgan_cli.training.loop import Step, TrainingLoop


P = TypeVar("P")

PLAN_KEY = "lfsgan.plan"
DEVICE_KEY = "lfsgan.device"  # the kind alone: cuda:0 and cuda:1 can take over from each other
HARDWARE_KEY = "lfsgan.hardware"  # with the model: another one may round otherwise


class NothingToResumeError(LfsganError):
    """A run that has no kept state."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"nothing to resume: {str(path)!r} holds no unfinished run; start one without --resume")


class ChangedPlanError(LfsganError):
    """A resumed run that was asked for with other settings."""

    def __init__(self, changes: Mapping[str, tuple[object, object]]) -> None:
        listed = ", ".join(f"{name} was {spell(was)}, now {spell(now)}" for name, (was, now) in changes.items())
        out = "it" if len(changes) == 1 else "these"
        super().__init__(
            f"--resume goes on with the run's own settings, but {listed}: leave {out} out, or start again "
            "with --overwrite instead of --resume"
        )


class OtherDeviceError(LfsganError):
    """A run whose random numbers come from another kind of device."""

    def __init__(self, began: str, now: str) -> None:
        super().__init__(f"the run began on {began!r} and can only go on there, not on {now!r}; add --device {began}")


def flag(key: str) -> str:
    """How a setting is given by an option of its own."""
    return f"--{key.replace('_', '-')}"


def differing(
    known: Mapping[str, Any], given: Mapping[str, Any], said: Callable[[str], str]
) -> dict[str, tuple[object, object]]:
    """What is given and differs, by how it is `said` on the command line."""
    return {said(key): (known[key], value) for key, value in given.items() if key in known and known[key] != value}


class RunFolder:
    """Files of a run. A state carries the plan in its header, so that both are always of the same run."""

    def __init__(self, path: Path) -> None:
        """moved: the hardware that the restored checkpoint was made on, where it is not this one; else ''."""
        self.path, self.moved = path, ""

    @property
    def unfinished(self) -> bool:
        """Whether a run was begun here that can go on."""
        return bool(checkpoint_file.paths(self.path))

    @property
    def finished(self) -> bool:
        """Whether a run came to its end here, and no other was begun since."""
        return (self.path / RUN).exists() and not self.unfinished

    @property
    def kept(self) -> int | None:
        """The step after which the newest state was kept."""
        return next(map(checkpoint_file.step_of, checkpoint_file.paths(self.path)), None)

    def prepare(self) -> None:
        """An empty folder: whatever an earlier run left is removed, first of all what could be gone on from."""
        checkpoint_file.drop(self.path)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def plan(self, read: Callable[[dict[str, Any]], P]) -> P:
        """What the kept run was asked to do, as `read` makes it of plain JSON values."""
        state = self._newest()
        try:
            return read(strictjson.loads(state.metadata[PLAN_KEY]))
        except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
            raise UnusableStateError(state.path) from error

    def save(self, run: TrainingLoop, plan: Mapping[str, Any]) -> None:
        """Keep the whole state, and the one before; DivergedRunError leaves both where it is not worth keeping."""
        tensors = run.pack()
        wrong = non_finite_tensor(tensors)
        if wrong is not None:
            raise DivergedRunError(wrong, run.done, plan, self.kept)
        settle(self.path)
        text = json.dumps(plan, sort_keys=True, ensure_ascii=False)
        made = {PLAN_KEY: text, DEVICE_KEY: run.device.type, HARDWARE_KEY: hardware(run.device)}
        checkpoint_file.write(self.path, run.done, tensors, made)

    def restore(self, run: TrainingLoop) -> tuple[Path, ...]:
        """Put a run where its newest whole state stands; newer ones are returned, which are damaged.

        Later lines of its log and later pictures, which will come again, are removed, and files half written.
        """
        state = self._newest()
        began = state.metadata.get(DEVICE_KEY, run.device.type)
        if began != run.device.type:
            raise OtherDeviceError(began, run.device.type)
        made_on, here = state.metadata.get(HARDWARE_KEY, ""), hardware(run.device)
        self.moved = made_on if made_on != here else ""
        try:
            run.unpack(state.tensors)
        except (KeyError, ValueError, RuntimeError) as error:
            raise UnusableStateError(state.path) from error
        cut(self.path, run.done)
        for partial in partials(self.path):
            partial.unlink(missing_ok=True)
        return state.passed_over

    def log(self, step: Step) -> None:
        """One line of `stats.jsonl`: the step and its losses."""
        add(self.path, step)

    def finish(self, document: Mapping[str, Any], seconds: float) -> None:
        """Note how and on what the run was done, and drop its states."""
        about = {
            **document,
            "seconds": round(seconds, 1),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "lfsgan": __version__,
            **machine(),
        }
        write_atomic(self.path / RUN, (json.dumps(about, indent=2, sort_keys=True) + "\n").encode())
        checkpoint_file.drop(self.path)

    def _newest(self) -> checkpoint_file.StoredCheckpoint:
        if not self.unfinished:
            raise NothingToResumeError(self.path)
        return checkpoint_file.newest(self.path)


class Stopwatch:
    """Seconds since it was made, or since it was last asked whether an interval has passed."""

    def __init__(self) -> None:
        self.start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def passed(self, interval: float) -> bool:
        """Whether `interval` seconds went by since this last was true."""
        now = time.monotonic()
        if now - self._last < interval:
            return False
        self._last = now
        return True


# The log of a run, `stats.jsonl`, and its sheets: cut back to the step that a run goes on from.


_SHEET = re.compile(r"fakes(\d{6,18})\.png")


def add(folder: Path, step: Step) -> None:
    """One line: the step and its losses."""
    losses = {name: float(f"{float(loss):.6g}") for name, loss in step.losses.items()}
    path = folder / STATS
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step.done, **losses}) + "\n")
    except OSError as error:
        raise FileWriteError(path, error) from error


def settle(folder: Path) -> None:
    """Have the log on the disk before the state that comes after it, so that a power failure takes no line of it."""
    path = folder / STATS
    if path.exists():
        with path.open("ab") as file:  # Windows syncs only what may be written
            os.fsync(file.fileno())


def cut(folder: Path, done: int) -> None:
    """Remove what was logged and drawn after `done` steps, and a last line that was not finished."""
    path = folder / STATS
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        kept = b"".join(line for line in lines if _step(line, done + 1) <= done)
        write_atomic(path, kept)
    for sheet in folder.glob("fakes*.png"):
        match = _SHEET.fullmatch(sheet.name)
        if match is not None and int(match[1]) > done:
            sheet.unlink(missing_ok=True)


def _step(line: bytes, unreadable: int) -> int:
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else unreadable
    except (ValueError, KeyError, TypeError, RecursionError):
        return unreadable
