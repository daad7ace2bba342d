"""Numbers that `lfsgan evaluate` noted: the latest of each as tables, all of each as curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.report.directions import LEGEND, marked
from lfsgan_cli.report.jsonlines import DamagedLinesError, read_lines
from lfsgan_cli.report.model import Chart, Measured, Series, Table


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
