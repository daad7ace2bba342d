"""What a benchmark ran, from its `runs.jsonl`: one finished step of one method a line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.report.forgetting import Matrix
from lfsgan_cli.report.jsonlines import DamagedLinesError, read_lines

RUNS = "runs.jsonl"


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
    return [_run(path, number, line) for number, line in enumerate(read_lines(path), start=1)]


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
        fields = {key: value for key, value in line.items() if key in Run.__dataclass_fields__}
        return Run(**{"peak_memory_mb": None, **fields, "results": tuple(_result(one) for one in line["results"])})
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedLinesError(path, number, "a finished run of `lfsgan benchmark`") from error


def _result(one: Mapping[str, Any]) -> Result:
    domain = str(one["domain"])
    return Result(domain, str(one["metric"]), str(one["name"]), float(one["value"]), str(one.get("drawn_by", domain)))
