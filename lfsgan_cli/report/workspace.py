"""Builds the page of a workspace from its folder: headers, logs and pictures, without torch."""

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.evaluation.registry import LEGEND, marked
from lfsgan_cli.io.files import read_plain
from lfsgan_cli.io.json import DamagedLinesError, read_lines, read_object
from lfsgan_cli.options import spell as spell_option
from lfsgan_cli.report import text
from lfsgan_cli.report.model import (
    Beside,
    Block,
    Cell,
    Chart,
    Fact,
    Facts,
    Gap,
    Page,
    Picture,
    PictureGrid,
    Row,
    Section,
    SeedRows,
    Series,
    Sheet,
    Table,
)
from lfsgan_cli.report.text import spell_bytes, spell_seconds
from lfsgan_cli.workspace.paths import FEW_SHOTS, METRICS, RESERVED, RETENTION, RUN, STATS, run_folder
from lfsgan_cli.workspace.task_file import TaskSummary

# Numbers that `lfsgan evaluate` noted: the latest of each as tables, all of each as curves.


@dataclass(frozen=True)
class Noted:
    """One line of `metrics.jsonl`.

    reals_name, reals: name and SHA-256 of the real pictures. error_is: what the number's error is. '' where none.
    """

    metric: str
    name: str
    number: Measured
    reals_name: str
    reals: str
    error_is: str

    @property
    def heading(self) -> str:
        """The name as tables show it."""
        return marked(self.metric, self.name)


def read_metrics(path: Path) -> list[Noted]:
    """The numbers of a file in the order in which they were measured; DamagedLinesError for a line without one."""
    return [_noted(path, number, line) for number, line in enumerate(read_lines(path), start=1)]


def task_table(measured: Mapping[str, Sequence[Noted]]) -> Table:
    """A row for each metric, a column for each task; a later number replaces an earlier one of the same name."""
    columns = {task: {one.heading: one.number for one in lines} for task, lines in measured.items()}
    return _table("The latest number of each task", columns, [one for lines in measured.values() for one in lines])


def base_table(base: Sequence[Noted], measured: Mapping[str, Sequence[Noted]]) -> Table:
    """The same of the base: a column for each set of real pictures, named by the tasks that were compared with it."""
    columns: dict[str, dict[str, Measured]] = {}
    for one in base:
        columns.setdefault(_compared_with(one, measured), {})[one.heading] = one.number
    order = dict.fromkeys([*(task for task in measured if task in columns), *columns])
    return _table("The base itself, against the same real pictures", {key: columns[key] for key in order}, base)


def histories(lines: Iterable[Noted]) -> list[Chart]:
    """A curve for every name that was measured more than once."""
    numbers: dict[str, list[float]] = {}
    for one in lines:
        numbers.setdefault(one.heading, []).append(one.number.value)
    return [_history(name, values) for name, values in numbers.items() if len(values) > 1]


def _history(name: str, values: Sequence[float]) -> Chart:
    points = tuple((float(index), value) for index, value in enumerate(values, start=1))
    said = f"{name}, measured {len(values)} times: {values[0]:.4g} at first, {values[-1]:.4g} at last."
    return Chart(name, said, "measurement", (Series(name, points),))


def _table(title: str, columns: Mapping[str, Mapping[str, Measured]], lines: Iterable[Noted]) -> Table:
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = tuple((name, *(column.get(name) for column in columns.values())) for name in names)
    errors = "; ".join(dict.fromkeys(f"{one.metric} ± {one.error_is}" for one in lines if one.error_is))
    return Table(title, ("metric", *columns), rows, f"{LEGEND} {errors}." if errors else LEGEND)


def _compared_with(one: Noted, measured: Mapping[str, Sequence[Noted]]) -> str:
    if not one.reals:
        return "without real pictures"
    same = [task for task, lines in measured.items() if any(line.reals == one.reals for line in lines)]
    return ", ".join(same) or one.reals_name


def _noted(path: Path, number: int, line: Mapping[str, Any]) -> Noted:
    value, error, reals = line.get("value"), line.get("error"), line.get("reals") or {}
    if not isinstance(value, int | float) or not {"metric", "name"} <= line.keys() or not isinstance(reals, dict):
        raise DamagedLinesError(path, number, "a metric with its name and value")
    measured = Measured(float(value), float(error) if isinstance(error, int | float) else None)
    sha256 = str(reals.get("sha256", ""))
    reals_name, error_is = str(reals.get("name", sha256[:12])), str(line.get("error_is", ""))
    return Noted(str(line["metric"]), str(line["name"]), measured, reals_name, sha256, error_is)


# One task of a workspace as a part of the page: its shots beside its drawings, how it was learned, how it fares.


PAIRS_NOTE = "The drawings that lie nearest to a shot, each above that shot: a copy would be seen here."


@dataclass(frozen=True)
class Learned:
    """A task as it was found. run: the folder of its run; drawings: PNGs, none where it cannot be drawn."""

    name: str
    summary: "TaskSummary"
    run: Path
    measured: Sequence[Noted]
    drawings: Sequence[Picture]
    refused: str


def task_section(root: Path, task: Learned) -> Section:
    """All that is known of a task."""
    rows: list[tuple[Block, ...]] = [(*_losses(task), *_progress(task)), tuple(histories(task.measured))]
    beside = [_shots_beside_drawings(task), *(Beside(row) for row in rows if row)]
    blocks = (Facts("", _facts(task)), *beside, _closest_pairs(root, task))
    return Section(f"task-{task.name}", task.name, blocks)


def _facts(task: Learned) -> tuple[Fact, ...]:
    info, run = task.summary.info, read_object(task.run / RUN)
    options = ", ".join(f"{key} {spell_option(value)}" for key, value in sorted(info.config.items()))
    facts = [("adapter", f"{info.adapter} {info.adapter_version}"), ("options", options or "none")]
    facts += [("parameters", f"{task.summary.parameters:,}"), ("file", spell_bytes(task.summary.file_bytes))]
    facts += _training(info.training)
    if isinstance(run.get("seconds"), int | float) and math.isfinite(run["seconds"]):
        facts.append(("learned in", f"{spell_seconds(run['seconds'])} on {run.get('device', 'an unknown device')}"))
    return tuple(facts)


def _training(training: Mapping[str, Any]) -> list[Fact]:
    return [(key, f"{training[key]:,}") for key in ("steps", "batch", "seed") if isinstance(training.get(key), int)]


def _shots_beside_drawings(task: Learned) -> Beside:
    paths = within(task.run, f"{FEW_SHOTS}/*.png")
    left: Block = (
        shots(task.name, paths)
        if paths
        else Gap("No shots here", "The task's file came alone, without the pictures that it learned from.")
    )
    right: Block = (
        PictureGrid(f"Drawn: seeds 0 to {len(task.drawings) - 1}", tuple(task.drawings))
        if task.drawings
        else Gap("Not drawn", f"{task.refused}.")
    )
    return Beside((left, right))


def _losses(task: Learned) -> tuple[Chart, ...]:
    loss = losses(task.run / STATS)
    return (loss,) if loss else ()


def _closest_pairs(root: Path, task: Learned) -> Block:
    found = within(task.run, "closest_pairs.png")
    if not found:
        why = "Whether the drawings copy the shots has not been measured yet."
        return Gap("No closest pairs yet", why, text.memorization(root, task.name))
    return sheet("Closest pairs", found[0], f"{task.name}: drawings beside the shots nearest to them", PAIRS_NOTE)


def _progress(task: Learned) -> tuple[Sheet | Gap, ...]:
    paths = within(task.run, "fakes*.png")
    if not paths:
        return ()
    step = paths[-1].stem.removeprefix("fakes")
    after = f"after step {int(step):,}" if step.isdecimal() else "at the end"
    return (sheet(f"While learning, {after}", paths[-1], f"{task.name}: drawings {after}"),)


BASE = "base"
INTRO = (
    "One frozen base, and the domains that it was taught from a few pictures each. "
    "The base is never written again, and each task is a file of its own."
)
SEEDS_NOTE = "A column is one seed: what changes along it is the task alone. Seeds are the first ones, not chosen."


@dataclass(frozen=True)
class BaseFacts:
    """What the page says of the base. identity: SHA-256 in hex."""

    name: str
    identity: str
    resolution: int
    parameters: int
    file_bytes: int


@dataclass(frozen=True)
class Drawings:
    """What was drawn: for 'base' and each task a PNG for each seed; refused: tasks that cannot be drawn, with why."""

    seeds: tuple[int, ...]
    rows: Mapping[str, tuple[bytes, ...]]
    refused: Mapping[str, str]


def read_workspace(root: Path, base: BaseFacts, summaries: Mapping[str, TaskSummary], drawings: Drawings) -> Page:
    """The page. summaries: the tasks' headers, in the order of the page. Raises DamagedLinesError."""
    tasks = [_learned(root, name, summary, drawings) for name, summary in summaries.items()]
    sections = (
        _seeds(drawings),
        _tasks(root, tasks, drawings.refused),
        _numbers(root, {task.name: task.measured for task in tasks}),
        retention_section(root),
        _base(root, base),
    )
    facts = (("base", base.name), ("resolution", f"{base.resolution} × {base.resolution}"), ("tasks", str(len(tasks))))
    return Page("Workspace", root.resolve().name, INTRO, facts, sections)


def _learned(root: Path, name: str, summary: TaskSummary, drawings: Drawings) -> Learned:
    run = run_folder(root, name)
    return Learned(
        name, summary, run, read_metrics(run / METRICS), _row(name, drawings), drawings.refused.get(name, "")
    )


def _row(name: str, drawings: Drawings) -> tuple[Picture, ...]:
    drawn = zip(drawings.seeds, drawings.rows.get(name, ()), strict=False)
    return tuple(Picture(thumbnail(data), f"{name}, seed {seed}") for seed, data in drawn)


def _seeds(drawings: Drawings) -> Section:
    rows = tuple((name, _row(name, drawings)) for name in drawings.rows)
    block = SeedRows("The same seeds, drawn by the base and by every task", drawings.seeds, rows, SEEDS_NOTE)
    return Section("seeds", "One seed, every task", (block,))


def _tasks(root: Path, tasks: list[Learned], refused: Mapping[str, str]) -> Section:
    rows: tuple[Row, ...] = tuple(
        (task.name, task.summary.info.adapter, task.summary.parameters, task.summary.file_bytes / 1e6) for task in tasks
    )
    unread = [
        Gap(f"{name} is left out", f"{why}.") for name, why in refused.items() if name not in {t.name for t in tasks}
    ]
    blocks: list[Block] = [
        Table("What each task adds to the base", ("task", "adapter", "parameters", "file, MB"), rows)
    ]
    if not tasks:
        blocks = [Gap("No task yet", "Nothing has been learned in this workspace.", text.learn(root))]
    return Section("tasks", "The tasks", (*blocks, *unread), sections=tuple(task_section(root, task) for task in tasks))


def _numbers(root: Path, measured: Mapping[str, Sequence[Noted]]) -> Section:
    base = read_metrics(root / RESERVED / METRICS)
    blocks: list[Block] = []
    if any(measured.values()):
        blocks.append(task_table({name: lines for name, lines in measured.items() if lines}))
    if base:
        blocks.append(base_table(base, measured))
    missing = [name for name, lines in measured.items() if not lines]
    if missing:
        blocks.append(Gap("Not measured yet", f"No number for {', '.join(missing)}.", text.measure(root)))
    intro = "A name says what looked at the pictures and how many there were; different names are never compared."
    return Section("numbers", "Measured", tuple(blocks), intro)


def _base(root: Path, base: BaseFacts) -> Section:
    facts = (
        ("name", base.name),
        ("identity (SHA-256)", base.identity),
        ("parameters", f"{base.parameters:,}"),
        ("file", spell_bytes(base.file_bytes)),
    )
    chart = losses(root / RESERVED / STATS)
    return Section("base", "The base", (Facts("", facts), *((chart,) if chart else ())))


# The proof that nothing was forgotten, as `lfsgan evaluate --retention` left it.


COLUMNS = ("task", "verdict", "base", "tensors", "pictures", "compared", "largest difference", "why")
NOTE = (
    "Base and task are compared by their SHA-256; pictures bit for bit, where device, torch, precision and threads "
    "are those of the record; on another machine, a difference of a level or two of 255 is rounding."
)
RETENTION_INTRO = (
    "Is every task what it was when it was learned? Its base, its tensors and its pictures at recorded seeds."
)


def retention_section(root: Path) -> Section:
    """The last check of every task, or the command that makes it."""
    path = root / RETENTION
    found = read_object(path)
    block: tuple[Block, ...] = (
        _proof(path, found)
        if found
        else (Gap("Not checked yet", "One command compares all tasks with what was recorded.", text.retention(root)),)
    )
    return Section("retention", "Was anything forgotten?", block, RETENTION_INTRO)


def _proof(path: Path, found: Mapping[str, Any]) -> tuple[Block, ...]:
    tasks = found.get("tasks")
    if not isinstance(tasks, dict) or not all(isinstance(task, dict) for task in tasks.values()):
        raise DamagedLinesError(path, 1, "the tasks that were checked")
    whole = sum(_unchanged(task) for task in tasks.values())
    summary = (("checked", _time(str(found.get("checked", "")))), ("unchanged", f"{whole} of {len(tasks)}"))
    rows = tuple(_retention_row(name, task) for name, task in sorted(tasks.items()))
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


def _retention_row(name: str, task: Mapping[str, Any]) -> Row:
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


# The pictures on disk that the report shows, made small enough to be carried in one page.


THUMBNAIL = 256  # pixels; small pictures stay as they are
SHEET = 1024
MOST_BYTES, MOST_PIXELS = 1 << 26, 50_000_000  # of a file
_PNG = b"\x89PNG\r\n\x1a\n"
MOST_STILLS = 24  # pictures shown of a task's shots


def thumbnail(data: bytes, side: int = THUMBNAIL) -> bytes:
    """The same PNG where it is at most `side` pixels wide and high; otherwise one reduced to that."""
    if max(Picture(data, "").size) <= side:
        return data
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG")
    return file.getvalue()


def shots(name: str, paths: Sequence[Path]) -> PictureGrid:
    """The pictures that a task learned from."""
    read = ((index, _still(path, THUMBNAIL)) for index, path in enumerate(paths[:MOST_STILLS], start=1))
    pictures = tuple(Picture(data, f"{name}, shot {index}") for index, data in read if data is not None)
    more = f"The first {MOST_STILLS} of {len(paths):,} are shown." if len(paths) > MOST_STILLS else ""
    return PictureGrid(f"Learned from {len(paths):,} pictures", pictures, more)


def sheet(title: str, path: Path, alt: str, note: str = "") -> Sheet | Gap:
    """A contact sheet on disk."""
    data = _still(path, SHEET)
    if data is None:
        return Gap(title, f"{path.name!r} is no PNG that can be read.")
    return Sheet(title, Picture(data, alt), note)


def within(folder: Path, pattern: str) -> list[Path]:
    """The files that match in a folder, sorted; none that a link leads to from outside of it."""
    root = folder.resolve()
    return sorted(path for path in folder.glob(pattern) if path.is_file() and path.resolve().is_relative_to(root))


def _still(path: Path, side: int) -> bytes | None:
    """A PNG on disk, no larger than `side`; None for what is none."""
    try:
        data = read_plain(path, MOST_BYTES)
        width, height = Picture(data, "").size
        return thumbnail(data, side) if data.startswith(_PNG) and 0 < width * height <= MOST_PIXELS else None
    except Exception:  # noqa: BLE001 - on damaged bytes Pillow's parsers raise nearly anything
        return None


# Curves of a run's losses, from its `stats.jsonl`.


# The names as `training/` logs them; others stand as they are.
NAMES = {"d": "discriminator", "g": "generator", "r1": "R1", "path": "path length"}

MOST_CURVES = 50  # curves of a chart


def losses(path: Path) -> Chart | None:
    """All losses over the steps; None where nothing was logged."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for number, line in enumerate(read_lines(path), start=1):
        step = line.get("step", 0)
        if not isinstance(step, int) or len(curves) > MOST_CURVES:
            raise DamagedLinesError(path, number, "a step and its losses")
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float):
                curves.setdefault(name, []).append((float(step), float(value)))
    if not curves:
        return None
    series = tuple(Series(NAMES.get(name, name), tuple(points)) for name, points in curves.items())
    last = ", ".join(f"{one.name} {one.points[-1][1]:.3g}" for one in series)
    return Chart("Losses while learning", f"Losses over the steps; at the end: {last}.", "step", series)
