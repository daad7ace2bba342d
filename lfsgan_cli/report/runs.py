"""What a benchmark ran, from its `runs.jsonl`: one finished step of one method a line."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.files import TaskNameError, check_name
from lfsgan_cli.report.forgetting import Matrix
from lfsgan_cli.report.jsonlines import DamagedLinesError, read_lines
from lfsgan_cli.seeds import LARGEST
from lfsgan_cli.wording import is_presentable

RUNS = "runs.jsonl"
MOST_STEPS = 10_000


@dataclass(frozen=True)
class Result:
    """One number. name: with extractor and counts; drawn_by: the task that drew what was measured."""

    domain: str
    metric: str
    name: str
    value: float
    drawn_by: str


@dataclass(frozen=True)
class Run:
    """One task learned by one method with one seed. step: counted from 1; results: on every domain learned so far."""

    method: str
    seed: int
    step: int
    task: str
    adapter: str
    parameters: int
    bytes: int
    seconds: float
    peak_memory_mb: float | None
    results: tuple[Result, ...]

    @property
    def drawn_by(self) -> dict[str, str]:
        """The task that drew each of the domains that were measured: its own, or the latest of a single network."""
        return {result.domain: result.drawn_by for result in self.results}


def read_runs(folder: Path) -> list[Run]:
    """All runs of a benchmark's folder; DamagedLinesError names a line that is none."""
    path = folder / RUNS
    runs = [_run(path, number, line) for number, line in enumerate(read_lines(path), start=1)]
    known = {run.step for run in runs}
    if known != set(range(1, len(known) + 1)):
        raise DamagedLinesError(path, len(runs), f"the steps before step {max(known)} too")
    return runs


def domains(runs: Iterable[Run]) -> list[str]:
    """The domains in the order in which they are learned."""
    steps = {run.step: run.task for run in runs}
    return [steps[step] for step in sorted(steps)]


def metrics(runs: Iterable[Run]) -> dict[str, str]:
    """The metrics measured: the shown name, and the metric that it is of."""
    return {result.name: result.metric for run in runs for result in run.results}


def matrices(runs: Iterable[Run], name: str, order: list[str]) -> dict[str, dict[int, Matrix]]:
    """A[t][i] of one metric for every method and seed."""
    found: dict[str, dict[int, dict[tuple[int, int], float]]] = {}
    place = {domain: index for index, domain in enumerate(order, start=1)}
    for run in runs:
        matrix = found.setdefault(run.method, {}).setdefault(run.seed, {})
        matrix.update(
            {
                (run.step, place[one.domain]): one.value
                for one in run.results
                if one.name == name and one.domain in place
            }
        )
    return {method: dict(seeds) for method, seeds in found.items()}


def _run(path: Path, number: int, line: Mapping[str, Any]) -> Run:
    try:
        return Run(
            method=check_name(line["method"]),
            seed=_whole(line["seed"], LARGEST),
            step=_whole(line["step"], MOST_STEPS),
            task=check_name(line["task"]),
            adapter=_text(line["adapter"]),
            parameters=_whole(line["parameters"]),
            bytes=_whole(line["bytes"]),
            seconds=_finite(line["seconds"]),
            peak_memory_mb=None if line.get("peak_memory_mb") is None else _finite(line["peak_memory_mb"]),
            results=tuple(_result(one) for one in line["results"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, TaskNameError) as error:
        raise DamagedLinesError(path, number, "a finished run of `lfsgan benchmark`") from error


def _result(one: Mapping[str, Any]) -> Result:
    domain = check_name(one["domain"])
    drawn_by = check_name(one.get("drawn_by", domain))
    return Result(domain, _text(one["metric"]), _text(one["name"]), _finite(one["value"]), drawn_by)


def _whole(value: Any, most: int = 2**63) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not is_presentable(value):
        raise ValueError(value)
    return value
