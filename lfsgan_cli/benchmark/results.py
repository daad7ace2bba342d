"""What a benchmark ran, from its `runs.jsonl`: one finished step of one method a line."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeAlias

import torch

from lfsgan_cli.errors import is_presentable
from lfsgan_cli.io.files import TaskNameError, check_name, write_atomic
from lfsgan_cli.io.json import DamagedLinesError, read_lines, read_object
from lfsgan_cli.options import LARGEST
from lfsgan_cli.runs.folder import Stopwatch
from lfsgan_cli.system.memory import PeakMemory
from lfsgan_cli.workspace.workspace import Workspace

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


@dataclass(frozen=True)
class Measured:
    """A number and its spread (a standard deviation or error), where one is known."""

    value: float
    error: float | None = None


COSTS = "costs.json"


def costs_path(workspace: Workspace) -> Path:
    """Where a workspace of a benchmark keeps what its tasks cost."""
    return workspace.root / COSTS


# What learning a task cost, over all the processes that it took.


@dataclass(frozen=True)
class Cost:
    """Of one task. seconds: of all processes but those that were killed outright.

    processes: how many there were, one that came to it twice counted twice.
    peak_memory_mb: the highest of them, None where the system does not say; peak_memory_of: what that is.
    """

    seconds: float = 0.0
    processes: int = 0
    peak_memory_mb: float | None = None
    peak_memory_of: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def cost(path: Path, task: str) -> Cost:
    """What is noted in a file of costs."""
    return Cost(**read_object(path).get(task, {}))


@contextmanager
def spending(path: Path, task: str, device: torch.device) -> Iterator[Callable[[], Cost]]:
    """Add what the block takes to the costs of a task, however it ends. The block is given what tells them so far."""
    before = cost(path, task)
    note(path, task, replace(before, processes=before.processes + 1))  # a process that is killed was there nevertheless
    memory, watch = PeakMemory(device), Stopwatch()

    def so_far() -> Cost:
        peaks = [one for one in (before.peak_memory_mb, memory.mb) if one is not None]
        seconds = round(before.seconds + watch.seconds, 1)
        return Cost(seconds, before.processes + 1, max(peaks, default=None), memory.kind)

    try:
        yield so_far
    finally:
        note(path, task, so_far())


def note(path: Path, task: str, spent: Cost) -> None:
    """Write down what a task cost, beside the other tasks' costs."""
    costs = {**read_object(path), task: spent.to_json()}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(costs, indent=2, sort_keys=True) + "\n").encode())


# The finished steps of a benchmark, one line of JSON each: read, completed, and never written twice.


Line: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, int, int]  # method, seed, step


class RunLines:
    """`runs.jsonl` of a benchmark's folder."""

    def __init__(self, folder: Path) -> None:
        """DamagedLinesError names a line that no benchmark wrote; one torn by a crash does not count."""
        self.path = folder / RUNS
        keys = [(run.method, run.seed, run.step) for run in read_runs(folder)]
        self._lines: dict[Key, Line] = dict(zip(keys, read_lines(self.path), strict=True))

    def __contains__(self, key: Key) -> bool:
        return key in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, key: Key) -> Line | None:
        """The line of a step, if it is finished."""
        return self._lines.get(key)

    def all(self) -> list[Line]:
        """Every line in order."""
        return list(self._lines.values())

    def append(self, line: Line) -> None:
        """Add a finished step; what a crash tore off before it is cut first."""
        text = json.dumps(line, sort_keys=True, allow_nan=False) + "\n"
        self._cut()
        with self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        self._lines[line["method"], line["seed"], line["step"]] = json.loads(text)

    def _cut(self) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)


# The arithmetic of forgetting: how much worse earlier domains are drawn after the last step than when learned.


# A[t][i], both counted from 1: a metric on the domain of step i, of what is drawn after step t.
Matrix = Mapping[tuple[int, int], float]


def average_forgetting(matrix: Matrix, *, less_is_better: bool) -> float | None:
    """Mean over i < T of A[T][i] - A[i][i]: above 0 is forgotten, below 0 is gained; T is the last step.

    The sign is turned where more is better (Chaudhry et al., 2018, with the value when learned in place of the best).
    None before the second step, and where a value is missing.
    """
    last = max((step for step, _ in matrix), default=0)
    pairs = [((last, i), (i, i)) for i in range(1, last)]
    if not pairs or any(key not in matrix for pair in pairs for key in pair):
        return None
    sign = 1 if less_is_better else -1
    return sign * fmean(matrix[now] - matrix[then] for now, then in pairs)


def over_seeds(values: Sequence[float]) -> Measured | None:
    """Mean, and the sample standard deviation where there are several; None of none."""
    if not values:
        return None
    return Measured(fmean(values), stdev(values) if len(values) > 1 else None)
