"""The log of a run, `stats.jsonl`, and its sheets: cut back to the step that a run goes on from."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lfsgan_cli.files import FileWriteError, write_atomic
from lfsgan_cli.taskfolder import STATS

if TYPE_CHECKING:
    from lfsgan_cli.training.phases import Step

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


def copy(folder: Path, other: Path) -> None:
    """Have in another folder what was logged in this one."""
    if (folder / STATS).exists():
        write_atomic(other / STATS, (folder / STATS).read_bytes())


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
