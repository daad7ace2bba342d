"""The page of a workspace: one seed from every task, the tasks, their numbers, retention, and the base. No torch."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lfsgan_cli.evaluation.registry import metrics
from lfsgan_cli.io.json import DamagedLinesError, read_lines, read_object
from lfsgan_cli.options import spell as spell_option
from lfsgan_cli.report.images import THUMBNAIL, Samples, image_grid, training_images, within
from lfsgan_cli.report.measurements import RecordedMetric, base_table, histories, read_metrics, task_table
from lfsgan_cli.report.model import (
    Beside,
    Block,
    Cell,
    Chart,
    Fact,
    Facts,
    Gallery,
    Gap,
    Page,
    Picture,
    Row,
    Section,
    SeedRows,
    Series,
    Table,
)
from lfsgan_cli.report.text import spell_bytes, spell_seconds
from lfsgan_cli.workspace.paths import FEW_SHOTS, METRICS, RESERVED, RETENTION, RUN, STATS, run_folder
from lfsgan_cli.workspace.task_file import TaskSummary

BASE = "base"
INTRO = (
    "One frozen base, and the tasks that were learned on it from a few images each. "
    "The base is never written again, and each task is a file of its own."
)
SEEDS_NOTE = "A column is one seed: what changes along it is the task alone. The seeds are the first ones, not chosen."
RETENTION_COLUMNS = ("task", "verdict", "base", "tensors", "images", "compared", "largest difference", "why")
RETENTION_NOTE = (
    "Base and task are compared by their SHA-256. Images are compared bit for bit where device, torch, precision and "
    "threads are those of the record; elsewhere, a difference of a level or two of 255 is rounding."
)
# Phases as `training/` logs them; others are shown as they are.
LOSS_NAMES = {"d": "discriminator", "g": "generator", "r1": "R1", "path": "path length"}
MOST_CURVES = 50  # of a chart
_DEFAULT_ROOT = "lfsgan_workspace"  # needs no --workspace


@dataclass(frozen=True)
class BaseFacts:
    """What the page says of the base. identity: SHA-256 in hex."""

    name: str
    identity: str
    resolution: int
    parameters: int
    file_bytes: int


@dataclass(frozen=True)
class _Task:
    """A task. run: the folder of its run."""

    name: str
    summary: TaskSummary
    run: Path
    measured: Sequence[RecordedMetric]
    pictures: Sequence[Picture]


def read_workspace(root: Path, base: BaseFacts, summaries: Mapping[str, TaskSummary], samples: Samples) -> Page:
    """The page. summaries: the tasks' headers, in the order of the page. Raises DamagedLinesError."""
    tasks = []
    for name, summary in summaries.items():
        run = run_folder(root, name)
        tasks.append(_Task(name, summary, run, read_metrics(run / METRICS), samples.pictures(name, name, THUMBNAIL)))
    seeds = tuple((name, samples.pictures(name, name, THUMBNAIL)) for name in samples.rows)
    same = SeedRows("The same seeds from the base and from every task", samples.seeds, seeds, SEEDS_NOTE)
    sections = (
        Section("seeds", "One seed, every task", (same,)),
        _tasks(root, tasks, samples.refused),
        _numbers(root, {task.name: task.measured for task in tasks}),
        retention_section(root),
        _base(root, base),
    )
    facts = (("base", base.name), ("resolution", f"{base.resolution} × {base.resolution}"), ("tasks", str(len(tasks))))
    return Page("Workspace", root.resolve().name, INTRO, facts, sections)


def command(root: Path, *words: str) -> str:
    """A command line for this workspace, as a user types it."""
    return shlex.join(["lfsgan", *words, *([] if str(root) == _DEFAULT_ROOT else ["--workspace", str(root)])])


def _tasks(root: Path, tasks: Sequence[_Task], refused: Mapping[str, str]) -> Section:
    rows: tuple[Row, ...] = tuple(
        (task.name, task.summary.info.adapter, task.summary.parameters, task.summary.file_bytes / 1e6) for task in tasks
    )
    blocks: list[Block] = [
        Table("What each task adds to the base", ("task", "adapter", "parameters", "file, MB"), rows)
    ]
    if not tasks:
        learn = command(root, "learn-task", "--images", "DIR", "--name", "NAME")
        blocks = [Gap("No task yet", "Nothing has been learned in this workspace.", learn)]
    unread = refused.keys() - {task.name for task in tasks}
    blocks += [Gap(f"{name} is left out", f"{why}.") for name, why in refused.items() if name in unread]
    sections = tuple(_task(root, task, refused.get(task.name, "")) for task in tasks)
    return Section("tasks", "The tasks", tuple(blocks), sections=sections)


def _task(root: Path, task: _Task, refused: str) -> Section:
    """One task: training images beside samples, how it was learned, its curves, the closest pairs."""
    images = within(task.run, f"{FEW_SHOTS}/*.png")
    left: Block = (
        training_images(task.name, images)
        if images
        else Gap("No training images here", "The task's file came alone, without the images that it learned from.")
    )
    right: Block = (
        Gallery(f"Samples: seeds 0 to {len(task.pictures) - 1}", tuple(task.pictures))
        if task.pictures
        else Gap("No samples", f"{refused}.")
    )
    loss = losses(task.run / STATS)
    training: list[Block] = [loss] if loss else []
    if grids := within(task.run, "fakes*.png"):
        step = grids[-1].stem.removeprefix("fakes")
        after = f"after step {int(step):,}" if step.isdecimal() else "at the end"
        training.append(image_grid(f"While learning, {after}", grids[-1], f"{task.name}: samples {after}"))
    rows: tuple[tuple[Block, ...], ...] = ((left, right), tuple(training), tuple(histories(task.measured)))
    blocks = (Facts("", _facts(task)), *(Beside(row) for row in rows if row), *_metric_grids(root, task))
    return Section(f"task-{task.name}", task.name, blocks)


def _metric_grids(root: Path, task: _Task) -> Iterator[Block]:
    """The image grids that metrics leave, and how to get those of metrics that suites measure."""
    for metric in metrics().values():
        grid = metric.sheet
        if grid is None:
            continue
        if found := within(task.run, grid.file):
            yield image_grid(grid.title, found[0], f"{task.name}: {grid.alt}", grid.caption)
        elif metric.in_suites:
            why = f"{metric.title[0].upper()}{metric.title[1:]} has not been measured yet."
            measure = command(root, "evaluate", f"--{metric.key}", "--task", task.name)
            yield Gap(f"No {grid.title.lower()} yet", why, measure)


def _facts(task: _Task) -> tuple[Fact, ...]:
    info, run = task.summary.info, read_object(task.run / RUN)
    options = ", ".join(f"{key} {spell_option(value)}" for key, value in sorted(info.config.items()))
    training = [(key, info.training.get(key)) for key in ("steps", "batch", "seed")]
    facts = [
        ("adapter", f"{info.adapter} {info.adapter_version}"),
        ("options", options or "none"),
        ("parameters", f"{task.summary.parameters:,}"),
        ("file", spell_bytes(task.summary.file_bytes)),
        *((key, f"{value:,}") for key, value in training if isinstance(value, int)),
    ]
    if isinstance(run.get("seconds"), int | float) and math.isfinite(run["seconds"]):
        facts.append(("learned in", f"{spell_seconds(run['seconds'])} on {run.get('device', 'an unknown device')}"))
    return tuple(facts)


def losses(path: Path) -> Chart | None:
    """All losses of `stats.jsonl` over the steps; None where nothing was logged."""
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
    series = tuple(Series(LOSS_NAMES.get(name, name), tuple(points)) for name, points in curves.items())
    last = ", ".join(f"{one.name} {one.points[-1][1]:.3g}" for one in series)
    return Chart("Losses while learning", f"Losses over the steps; at the end: {last}.", "step", series)


def _numbers(root: Path, measured: Mapping[str, Sequence[RecordedMetric]]) -> Section:
    base = read_metrics(root / RESERVED / METRICS)
    blocks: list[Block] = []
    if any(measured.values()):
        blocks.append(task_table({name: lines for name, lines in measured.items() if lines}))
    if base:
        blocks.append(base_table(base, measured))
    if missing := [name for name, lines in measured.items() if not lines]:
        measure = command(root, "evaluate", "--fid", "--reals", "DIR")
        blocks.append(Gap("Not measured yet", f"No number for {', '.join(missing)}.", measure))
    intro = "A name says which network measured, and on how many images. Compare only numbers of the same name."
    return Section("numbers", "Measured", tuple(blocks), intro)


def retention_section(root: Path) -> Section:
    """The last check by `lfsgan evaluate --retention`, or the command that makes it."""
    path, intro = root / RETENTION, "Is every task what it was when it was learned? Its base, tensors and images."
    found = read_object(path)
    if not found:
        gap = Gap("Not checked yet", "One command compares all tasks with their records.", command(
            root, "evaluate", "--retention"
        ))  # fmt: skip
        return Section("retention", "Was anything forgotten?", (gap,), intro)
    tasks = found.get("tasks")
    if not isinstance(tasks, dict) or not all(isinstance(task, dict) for task in tasks.values()):
        raise DamagedLinesError(path, 1, "the tasks that were checked")
    try:
        checked = datetime.fromisoformat(str(found.get("checked", "")))
        time = checked.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        time = "at an unknown time"
    facts = (("checked", time), ("unchanged", f"{sum(map(_unchanged, tasks.values()))} of {len(tasks)}"))
    rows = tuple(_retention_row(name, task) for name, task in sorted(tasks.items()))
    used = None if any(row[-1] for row in rows) else -1  # `why` is mostly empty
    table = Table("What was compared", RETENTION_COLUMNS[:used], tuple(row[:used] for row in rows), RETENTION_NOTE)
    return Section("retention", "Was anything forgotten?", (Facts("", facts), table), intro)


def _unchanged(task: Mapping[str, Any]) -> bool:
    """Proven: by the check's own verdict, and only where something was compared."""
    same = task.get("base") is True and task.get("task") is True and task.get("pictures") == "equal"
    return bool(task.get("retained", same)) and bool(task.get("compared"))


def _retention_row(name: str, task: Mapping[str, Any]) -> Row:
    def sameness(key: str) -> str:
        said = task.get(key)
        return "same" if said is True else "not proven" if said is False else "not compared"

    def count(key: str) -> Cell:
        value = task.get(key)
        return value if isinstance(value, int | float) else None

    verdict = "nothing to compare with yet" if task.get("retained") else "not proven"
    return (
        name,
        "unchanged" if _unchanged(task) else verdict,
        sameness("base"),
        sameness("task"),
        str(task.get("pictures", "not compared")),
        count("compared"),
        count("largest_difference"),
        str(task.get("why") or ""),
    )


def _base(root: Path, base: BaseFacts) -> Section:
    facts = (
        ("name", base.name),
        ("identity (SHA-256)", base.identity),
        ("parameters", f"{base.parameters:,}"),
        ("file", spell_bytes(base.file_bytes)),
    )
    chart = losses(root / RESERVED / STATS)
    return Section("base", "The base", (Facts("", facts), *((chart,) if chart else ())))
