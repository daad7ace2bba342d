"""The proof that nothing was forgotten, as `lfsgan evaluate --retention` left it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lfsgan_cli.report import ways
from lfsgan_cli.report.jsonlines import DamagedLinesError, read_object
from lfsgan_cli.report.model import Block, Cell, Facts, Gap, Row, Section, Table
from lfsgan_cli.taskfolder import RETENTION

COLUMNS = ("task", "verdict", "base", "tensors", "pictures", "compared", "largest difference", "why")
NOTE = (
    "Base and task are compared by their SHA-256; pictures bit for bit, where device, torch, precision and threads "
    "are those of the record; on another machine, a difference of a level or two of 255 is rounding."
)
INTRO = "Is every task what it was when it was learned? Its base, its tensors and its pictures at recorded seeds."


def retention_section(root: Path) -> Section:
    """The last check of every task, or the command that makes it."""
    path = root / RETENTION
    found = read_object(path)
    block: tuple[Block, ...] = (
        _proof(path, found)
        if found
        else (Gap("Not checked yet", "One command compares all tasks with what was recorded.", ways.retention(root)),)
    )
    return Section("retention", "Was anything forgotten?", block, INTRO)


def _proof(path: Path, found: Mapping[str, Any]) -> tuple[Block, ...]:
    tasks = found.get("tasks")
    if not isinstance(tasks, dict) or not all(isinstance(task, dict) for task in tasks.values()):
        raise DamagedLinesError(path, 1, "the tasks that were checked")
    whole = sum(_unchanged(task) for task in tasks.values())
    summary = (("checked", _time(str(found.get("checked", "")))), ("unchanged", f"{whole} of {len(tasks)}"))
    rows = tuple(_row(name, task) for name, task in sorted(tasks.items()))
    used = len(COLUMNS) if any(row[-1] for row in rows) else len(COLUMNS) - 1  # mostly nobody needs to say why
    return Facts("", summary), Table("What was compared", COLUMNS[:used], tuple(row[:used] for row in rows), NOTE)


def _unchanged(task: Mapping[str, Any]) -> bool:
    """Proven: the check's own verdict, and nothing proves what was compared with nothing."""
    same = task.get("base") is True and task.get("task") is True and task.get("pictures") == "equal"
    return bool(task.get("retained", same)) and bool(task.get("compared"))


def _verdict(task: Mapping[str, Any]) -> str:
    if _unchanged(task):
        return "unchanged"
    return "nothing to compare with yet" if task.get("retained") else "not proven"


def _row(name: str, task: Mapping[str, Any]) -> Row:
    def sameness(key: str) -> str:
        said = task.get(key)
        return "same" if said is True else "not proven" if said is False else "not compared"

    return (
        name,
        _verdict(task),
        sameness("base"),
        sameness("task"),
        str(task.get("pictures", "not compared")),
        _count(task.get("compared")),
        _count(task.get("largest_difference")),
        str(task.get("why") or ""),
    )


def _time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return "at an unknown time"


def _count(value: Any) -> Cell:
    return value if isinstance(value, int | float) else None
