"""The results of a benchmark: `runs.jsonl`, and from it the matrices A[t][i], forgetting and summary. No torch."""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeAlias

from lfsgan_cli.errors import is_presentable
from lfsgan_cli.evaluation.registry import less_is_better, marked
from lfsgan_cli.io.files import TaskNameError, check_name
from lfsgan_cli.io.json import DamagedLinesError, read_lines
from lfsgan_cli.options import LARGEST

RUNS, SUITE = "runs.jsonl", "suite.toml"  # in the benchmark's folder
CONDITIONS = "conditions"  # the key that a line of conditions has, and a line of a step has not
MOST_STEPS = 10_000

Line: TypeAlias = Mapping[str, Any]
Key: TypeAlias = tuple[str, int, int]  # method, seed, step
# A[t][i], both counted from 1: a metric on the domain of step i, measured after step t.
Matrix: TypeAlias = Mapping[tuple[int, int], float]


@dataclass(frozen=True)
class Measured:
    """A number and its spread (a standard deviation or error), where one is known."""

    value: float
    error: float | None = None

    def __str__(self) -> str:
        """As people read it: '108.7', '0.0213', '108.7 ± 2.1'."""
        if self.error is None:
            return spell_number(self.value)
        decimals = _decimals(self.value)
        if decimals is not None and self.error:  # up to two more, where the error would be rounded to nothing
            more = range(decimals, decimals + 2)
            decimals = next((enough for enough in more if round(self.error, enough)), decimals + 2)
        return f"{_fixed(self.value, decimals)} ± {_fixed(self.error, decimals)}"


@dataclass(frozen=True)
class Interval(Measured):
    """A mean over seeds with its 95 % interval; low and high are None of one seed."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """As people read it: '-12.3 (-15.1 to -9.4)'."""
        if self.low is None or self.high is None:
            return spell_number(self.value)
        return f"{spell_number(self.value)} ({spell_number(self.low)} to {spell_number(self.high)})"

    @property
    def holds_zero(self) -> bool:
        """Whether a difference of this size is within noise: 0 is inside, or one seed says nothing of noise."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def spell_number(value: float) -> str:
    """A number in as many digits as are read: '1,300', '108.7', '0.0213'."""
    return f"{value:,}" if isinstance(value, int) else _fixed(value, _decimals(value))


def _decimals(value: float) -> int | None:
    """So many from this size on; below, two digits with an exponent."""
    sizes = ((1000, 0), (100, 1), (1, 2), (0.1, 3), (0.001, 4))
    return next((decimals for size, decimals in sizes if abs(value) >= size), None)


def _fixed(value: float, decimals: int | None) -> str:
    if value == 0:
        return "0"
    return f"{value:.2g}" if decimals is None else f"{value:,.{decimals}f}"


@dataclass(frozen=True)
class Result:
    """One number. name: with extractor and counts."""

    domain: str
    metric: str
    name: str
    value: float


@dataclass(frozen=True)
class Run:
    """One task learned by one method with one seed. step: counted from 1. results: of every domain learned so far.

    sequential: one network has all domains; otherwise each has a task file of its own, whose results stay.
    """

    method: str
    seed: int
    step: int
    task: str
    adapter: str
    parameters: int
    bytes: int
    seconds: float
    peak_memory_mb: float | None
    sequential: bool
    results: tuple[Result, ...]

    @property
    def key(self) -> Key:
        """What distinguishes it from other runs."""
        return (self.method, self.seed, self.step)

    def source(self, domain: str) -> str | None:
        """The task that generates a domain after this step; None where the domain is not learned yet."""
        if all(result.domain != domain for result in self.results):
            return None
        return self.task if self.sequential else domain


class RunLines:
    """`runs.jsonl`: a line of JSON for each finished step, and before them a line with the conditions they share.

    A line of conditions holds for the steps below it, up to the next one, which is written where something changes.
    A step's line has the results measured after it: of its own task, or of every domain where one network has all.
    """

    def __init__(self, folder: Path) -> None:
        """DamagedLinesError names a line that `lfsgan benchmark` did not write; a half-written last one is ignored."""
        self.path = folder / RUNS
        self.conditions: list[Line] = []
        self._lines: dict[Key, Line] = {}
        runs = []
        for number, line in enumerate(read_lines(self.path), start=1):
            if CONDITIONS in line:
                if not isinstance(line[CONDITIONS], dict) or "method" in line:
                    raise DamagedLinesError(self.path, number, "the conditions of a benchmark, and no step with them")
                self.conditions.append(line)
            else:
                run = _run(self.path, number, line)
                runs.append(run)
                self._lines[run.key] = line
        known = {run.step for run in runs}
        if known != set(range(1, len(known) + 1)):
            raise DamagedLinesError(self.path, len(runs), f"the steps before step {max(known)} too")
        self.runs = [replace(run, results=(*_earlier(run, runs), *run.results)) for run in runs]

    def __contains__(self, key: Key) -> bool:
        return key in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, key: Key) -> Line | None:
        """The line of a step, if it is finished."""
        return self._lines.get(key)

    def all(self) -> list[Line]:
        """The lines of all finished steps, in order."""
        return list(self._lines.values())

    def append(self, line: Line, conditions: Line) -> None:
        """Add a finished step, and its conditions where they are not those above. A half-written line is cut first."""
        texts = [json.dumps(each, sort_keys=True, allow_nan=False) + "\n" for each in (conditions, line)]
        kept = [json.loads(text) for text in texts]
        fresh = self.conditions[-1:] != kept[:1]
        content = self.path.read_bytes() if self.path.exists() else b""
        if (whole := content.rfind(b"\n") + 1) < len(content):
            os.truncate(self.path, whole)
        with self.path.open("ab") as file:
            file.write("".join(texts if fresh else texts[1:]).encode())
            file.flush()
            os.fsync(file.fileno())
        self.conditions += kept[:1] if fresh else []
        self._lines[line["method"], line["seed"], line["step"]] = kept[1]


def read_runs(folder: Path) -> list[Run]:
    """All runs in a benchmark's folder; DamagedLinesError names a line that is none."""
    return RunLines(folder).runs


def _earlier(run: Run, runs: Sequence[Run]) -> list[Result]:
    """The results of the earlier tasks of a method whose task files stay as they are."""
    same = [] if run.sequential else [one for one in runs if one.key[:2] == run.key[:2] and one.step < run.step]
    return [result for one in sorted(same, key=lambda one: one.step) for result in one.results]


def _run(path: Path, number: int, line: Line) -> Run:
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
            sequential=_flag(line["sequential"]),
            results=tuple(
                Result(check_name(one["domain"]), _text(one["metric"]), _text(one["name"]), _finite(one["value"]))
                for one in line["results"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError, TaskNameError) as error:
        raise DamagedLinesError(path, number, "a finished run of `lfsgan benchmark`") from error


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


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def domains(runs: Iterable[Run]) -> list[str]:
    """The domains in the order in which they are learned."""
    steps = {run.step: run.task for run in runs}
    return [steps[step] for step in sorted(steps)]


def metrics(runs: Iterable[Run]) -> dict[str, str]:
    """The measured metrics: from the full name of each to its key."""
    return {result.name: result.metric for run in runs for result in run.results}


def matrices(runs: Iterable[Run], name: str) -> dict[str, dict[int, Matrix]]:
    """A[t][i] of one metric, for every method and seed. name: its full name or its key."""
    runs = list(runs)
    place = {domain: index for index, domain in enumerate(domains(runs), start=1)}
    found: dict[str, dict[int, dict[tuple[int, int], float]]] = {}
    for run in runs:
        matrix = found.setdefault(run.method, {}).setdefault(run.seed, {})
        for one in run.results:
            if name in {one.name, one.metric} and one.domain in place:
                matrix[run.step, place[one.domain]] = one.value
    return {method: dict(seeds) for method, seeds in found.items()}


def average_forgetting(matrix: Matrix, *, less_is_better: bool) -> float | None:
    """Mean over i < T of A[T][i] - A[i][i], where T is the last step: above 0 is forgotten, below 0 is improved.

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
    """Mean, with the sample standard deviation where there are several values; None of none."""
    if not values:
        return None
    return Measured(fmean(values), stdev(values) if len(values) > 1 else None)


# Noise: intervals over seeds, and differences of two methods that share domains and seeds.


CONFIDENCE = 0.95
RESAMPLES = 10_000
FEW = 5  # values of which all resamples are taken, 3,125 of five


def interval(values: Sequence[float]) -> Interval | None:
    """The mean with its percentile bootstrap interval (Efron, 1979); None of no value.

    All resamples of up to five values count, and 10,000 random ones of more, always the same. Of two values the
    interval is their range.
    """
    if len(values) < 2:
        return Interval(values[0]) if values else None
    count = len(values)
    if count <= FEW:
        means = sorted(fmean(sample) for sample in product(values, repeat=count))
    else:
        source = random.Random(0)  # noqa: S311 - no secret
        means = sorted(fmean(source.choices(values, k=count)) for _ in range(RESAMPLES))
    cut = int(len(means) * (1 - CONFIDENCE) / 2)
    return Interval(fmean(values), None, means[cut], means[-1 - cut])


def differences(
    matrices: Mapping[str, Mapping[int, Matrix]], method: str, reference: str, domain: int
) -> Interval | None:
    """A method less the reference on one domain, counted from 1: paired by seed, after the last step that both have.

    matrices: of one metric, by method and seed, as `matrices` returns them. None where they share no seed.
    """
    found = []
    for seed in matrices.get(method, {}).keys() & matrices.get(reference, {}).keys():
        mine, theirs = matrices[method][seed], matrices[reference][seed]
        if both := [step for step, index in mine if index == domain and (step, index) in theirs]:
            found.append(mine[max(both), domain] - theirs[max(both), domain])
    return interval(found)


@dataclass(frozen=True)
class MethodSummary:
    """One method. values: on each task after its last step; steps: tasks that it has learned with every seed."""

    method: str
    steps: int
    values: tuple[Measured | None, ...]
    forgetting: Measured | None
    parameters: int
    seconds: Measured | None


@dataclass(frozen=True)
class Summary:
    """All methods by the benchmark's first metric. title: its name with an arrow to where it is better."""

    title: str
    tasks: tuple[str, ...]
    methods: tuple[MethodSummary, ...]


def summarise(runs: Sequence[Run]) -> Summary:
    """The few numbers that fit a terminal: each method on each task, its forgetting and its costs."""
    results = [result for run in runs for result in run.results]
    metric = results[0].metric if results else ""
    names = {result.name for result in results if result.metric == metric}
    order, less, methods = domains(runs), less_is_better(metric), []
    for method, seeds in matrices(runs, metric).items():
        steps = min(max((step for step, _ in matrix), default=0) for matrix in seeds.values())
        each = [{key: value for key, value in matrix.items() if key[0] <= steps} for matrix in seeds.values()]
        lost = [] if less is None else [average_forgetting(one, less_is_better=less) for one in each]
        mine = [run for run in runs if run.method == method]
        methods.append(MethodSummary(
            method,
            steps,
            tuple(over_seeds([one[steps, i] for one in each if (steps, i) in one]) for i in range(1, len(order) + 1)),
            over_seeds([one for one in lost if one is not None]),
            round(fmean(run.parameters for run in mine)),
            over_seeds([run.seconds for run in mine]),
        ))  # fmt: skip
    return Summary(marked(metric, names.pop() if len(names) == 1 else metric), tuple(order), tuple(methods))
