"""X/Y grids: one or two settings take several values, and an image is sampled for every combination."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError, quoted
from lfsgan_cli.generation.generate import Axes, Variant, variant
from lfsgan_cli.generation.sampling import SamplingOptions
from lfsgan_cli.workspace.blend import parse_strength
from lfsgan_cli.workspace.paths import task_names
from lfsgan_cli.workspace.workspace import Workspace

MAX_VALUES = 64
MAX_TRUNCATION = 2.0
NOISE = ("seed", "const", "none")
EXPECTED = "NAME=VALUES such as strength=0:1:0.25 (first:last:step), truncation=0.5,0.7,1, noise=seed,none or task=all"


class AxisError(LfsganError):
    """An axis of an X/Y grid that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"--grid {quoted(text)}: {reason}; expected {EXPECTED}")


@dataclass(frozen=True)
class Axis:
    """name: task, strength, truncation or noise. values: as the user wrote them."""

    name: str
    values: tuple[str, ...]

    def apply(self, value: str, task: str, options: SamplingOptions) -> tuple[str, SamplingOptions]:
        """The task and the options at one value."""
        match self.name:
            case "task":
                return value, options
            case "strength":
                return task, replace(options, strength=parse_strength(value))
            case "truncation":
                return task, replace(options, truncation=float(value))
            case _:
                return task, replace(options, noise=value)  # type: ignore[arg-type]  # checked by `parse_axis`


def parse_axis(text: str, workspace: Workspace) -> Axis:
    """`strength=0:1:0.25`, `truncation=0.5,0.7,1`, `noise=seed,none` or `task=all`; AxisError.

    Values that contain `=` (blends, strengths of layers) are separated by `;`.
    """
    name, _, listed = text.partition("=")
    checks: dict[str, Callable[[str], object]] = {
        "task": workspace.blend,
        "strength": parse_strength,
        "truncation": lambda value: _truncation(text, value),
        "noise": lambda value: _noise(text, value),
    }
    if name not in checks or not listed:
        raise AxisError(text, f"{quoted(name)} is not one of {', '.join(checks)}")
    if name == "task" and listed == "all":
        values = task_names(workspace.root)
    elif listed.count(":") == 2 and name in {"strength", "truncation"}:
        values = _steps(text, *listed.split(":"))
    else:
        values = [value.strip() for value in listed.split(";" if {";", "="} & set(listed) else ",")]
    if not values or len(values) > MAX_VALUES or len(set(values)) < len(values):
        raise AxisError(text, f"it has {len(values)} values; 1 to {MAX_VALUES} different ones are possible")
    for value in values:
        checks[name](value)
    return Axis(name, tuple(values))


def arrange(
    axes: Sequence[Axis], task: str | None, options: SamplingOptions, workspace: Workspace
) -> tuple[list[Variant], Axes]:
    """A variant for every combination, row by row: the first axis gives the columns, the second the rows.

    task: None where an axis names the tasks.
    """
    columns, *others = axes
    if len(axes) > 2 or len({axis.name for axis in axes}) < len(axes):
        raise AxisError(",".join(axis.name for axis in axes), "there are more than two axes, or two of one name")
    if task is None and all(axis.name != "task" for axis in axes):
        raise AxisError(columns.name, "it needs a task; name one, or add --grid task=all")
    rows = others[0] if others else None
    variants = []
    for y, x in product(rows.values if rows else [""], columns.values):
        named, chosen, folder = task or "", options, []
        for axis, value in ((rows, y), (columns, x)):
            if axis is not None:
                named, chosen = axis.apply(value, named, chosen)
                folder += [] if axis.name == "task" else [f"{axis.name}={value}"]
        variants.append(variant(workspace, named, chosen, Path(",".join(folder))))
    note: dict[str, Any] = {axis.name: list(axis.values) for axis in axes if axis.name != "task"}
    labels = [[f"{axis.name} {value}" for value in axis.values] if axis else [] for axis in (columns, rows)]
    return variants, Axes(labels[0], labels[1], {**options.note(), **note})


def _steps(text: str, *numbers: str) -> list[str]:
    try:
        first, last, step = map(float, numbers)
    except ValueError as error:
        raise AxisError(text, "first:last:step takes three numbers") from error
    if not all(map(math.isfinite, (first, last, step))) or step <= 0 or last < first:
        raise AxisError(text, "the step is not positive, or the last value is below the first")
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise AxisError(text, f"it has {count:,} values, and {MAX_VALUES} are the most")
    return [f"{first + index * step:.6g}" for index in range(count)]


def _truncation(text: str, value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MAX_TRUNCATION:
        raise AxisError(text, f"truncation {value!r} is not between 0 and {MAX_TRUNCATION:g}")


def _noise(text: str, value: str) -> None:
    if value not in NOISE:
        raise AxisError(text, f"noise {value!r} is not one of {', '.join(NOISE)}")
