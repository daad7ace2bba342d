"""Builds the page of a workspace from its folder: headers, logs and pictures, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.report import ways
from lfsgan_cli.report.losses import losses
from lfsgan_cli.report.measurements import Noted, base_table, read_metrics, task_table
from lfsgan_cli.report.model import Block, Facts, Gap, Page, Picture, Row, Section, SeedRows, Table
from lfsgan_cli.report.retention import retention_section
from lfsgan_cli.report.spelling import spell_bytes
from lfsgan_cli.report.stills import thumbnail
from lfsgan_cli.report.task_section import Learned, task_section
from lfsgan_cli.taskfile import TaskSummary
from lfsgan_cli.taskfolder import METRICS, RESERVED, STATS, run_folder

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
        blocks = [Gap("No task yet", "Nothing has been learned in this workspace.", ways.learn(root))]
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
        blocks.append(Gap("Not measured yet", f"No number for {', '.join(missing)}.", ways.measure(root)))
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
