"""One task of a workspace as a part of the page: its shots beside its drawings, how it was learned, how it fares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfsgan_cli.option_types import spell as spell_option
from lfsgan_cli.report import ways
from lfsgan_cli.report.jsonlines import read_object
from lfsgan_cli.report.losses import losses
from lfsgan_cli.report.measurements import Noted, histories
from lfsgan_cli.report.model import Beside, Block, Chart, Fact, Facts, Gallery, Gap, Picture, Section, Sheet
from lfsgan_cli.report.spelling import spell_bytes, spell_seconds
from lfsgan_cli.report.stills import sheet, shots, within
from lfsgan_cli.taskfolder import FEW_SHOTS, RUN, STATS

if TYPE_CHECKING:
    from lfsgan_cli.taskfile import TaskSummary

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
        Gallery(f"Drawn: seeds 0 to {len(task.drawings) - 1}", tuple(task.drawings))
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
        return Gap("No closest pairs yet", why, ways.memorisation(root, task.name))
    return sheet("Closest pairs", found[0], f"{task.name}: drawings beside the shots nearest to them", PAIRS_NOTE)


def _progress(task: Learned) -> tuple[Sheet | Gap, ...]:
    paths = within(task.run, "fakes*.png")
    if not paths:
        return ()
    step = paths[-1].stem.removeprefix("fakes")
    after = f"after step {int(step):,}" if step.isdecimal() else "at the end"
    return (sheet(f"While learning, {after}", paths[-1], f"{task.name}: drawings {after}"),)
