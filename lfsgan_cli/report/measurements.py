"""The numbers that `lfsgan evaluate` recorded: the latest of each in tables, all of each as curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.benchmark.results import Measured
from lfsgan_cli.evaluation.registry import LEGEND, marked
from lfsgan_cli.io.json import DamagedLinesError, read_lines
from lfsgan_cli.report.model import Chart, Series, Table


@dataclass(frozen=True)
class RecordedMetric:
    """One line of `metrics.jsonl`.

    reals_name, reals: name and SHA-256 of the real images. error_is: what the number's error is. '' where none.
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


def read_metrics(path: Path) -> list[RecordedMetric]:
    """The numbers of a file in the order of measurement; DamagedLinesError for a line without one."""
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        value, error, reals = line.get("value"), line.get("error"), line.get("reals") or {}
        if not isinstance(value, int | float) or not {"metric", "name"} <= line.keys() or not isinstance(reals, dict):
            raise DamagedLinesError(path, number, "a metric with its name and value")
        sha256 = str(reals.get("sha256", ""))
        found.append(RecordedMetric(
            str(line["metric"]),
            str(line["name"]),
            Measured(float(value), float(error) if isinstance(error, int | float) else None),
            str(reals.get("name", sha256[:12])),
            sha256,
            str(line.get("error_is", "")),
        ))  # fmt: skip
    return found


def task_table(measured: Mapping[str, Sequence[RecordedMetric]]) -> Table:
    """A row for each metric, a column for each task; a later number replaces an earlier one of the same name."""
    columns = {task: {one.heading: one.number for one in lines} for task, lines in measured.items()}
    return _table("The latest number of each task", columns, [one for lines in measured.values() for one in lines])


def base_table(base: Sequence[RecordedMetric], measured: Mapping[str, Sequence[RecordedMetric]]) -> Table:
    """The same of the base: a column for each set of real images, named by the tasks that were compared with it."""
    columns: dict[str, dict[str, Measured]] = {}
    for one in base:
        same = [task for task, lines in measured.items() if any(line.reals == one.reals for line in lines)]
        name = (", ".join(same) or one.reals_name) if one.reals else "without real images"
        columns.setdefault(name, {})[one.heading] = one.number
    order = dict.fromkeys([*(task for task in measured if task in columns), *columns])
    return _table("The base itself, against the same real images", {key: columns[key] for key in order}, base)


def _table(title: str, columns: Mapping[str, Mapping[str, Measured]], lines: Iterable[RecordedMetric]) -> Table:
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = tuple((name, *(column.get(name) for column in columns.values())) for name in names)
    errors = "; ".join(dict.fromkeys(f"{one.metric} ± {one.error_is}" for one in lines if one.error_is))
    return Table(title, ("metric", *columns), rows, f"{LEGEND} {errors}." if errors else LEGEND)


def histories(lines: Iterable[RecordedMetric]) -> list[Chart]:
    """A curve for every name that was measured more than once."""
    numbers: dict[str, list[float]] = {}
    for one in lines:
        numbers.setdefault(one.heading, []).append(one.number.value)
    charts = []
    for name, values in numbers.items():
        if len(values) > 1:
            points = tuple((float(index), value) for index, value in enumerate(values, start=1))
            said = f"{name}, measured {len(values)} times: {values[0]:.4g} at first, {values[-1]:.4g} at last."
            charts.append(Chart(name, said, "measurement", (Series(name, points),)))
    return charts
