"""The few numbers of a benchmark that fit a terminal: each method on each task, its costs and its forgetting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from lfsgan_cli.report.directions import less_is_better, marked
from lfsgan_cli.report.forgetting import Matrix, average_forgetting, over_seeds
from lfsgan_cli.report.model import Measured
from lfsgan_cli.report.runs import Run, domains, matrices, read_runs


@dataclass(frozen=True)
class MethodSummary:
    """One method. values: on each task after its last step; steps: how many tasks it has learned with every seed."""

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


def summarise(folder: Path) -> Summary:
    """Of what is finished in a benchmark's folder; DamagedLinesError for a line of `runs.jsonl` that is no run."""
    runs = read_runs(folder)
    results = [result for run in runs for result in run.results]
    metric = results[0].metric if results else ""
    names = dict.fromkeys(result.name for result in results if result.metric == metric)
    title = marked(metric, next(iter(names)) if len(names) == 1 else metric)
    order = domains(runs)
    found = matrices([_by_metric(run) for run in runs], metric, order)
    methods = tuple(
        _method(name, found[name], [run for run in runs if run.method == name], metric, order) for name in found
    )
    return Summary(title, tuple(order), methods)


def _by_metric(run: Run) -> Run:
    return replace(run, results=tuple(replace(result, name=result.metric) for result in run.results))


def _method(
    name: str, seeds: Mapping[int, Matrix], runs: Sequence[Run], metric: str, order: Sequence[str]
) -> MethodSummary:
    steps = min(max((step for step, _ in matrix), default=0) for matrix in seeds.values())
    each = [{key: value for key, value in matrix.items() if key[0] <= steps} for matrix in seeds.values()]
    values = [over_seeds([one[steps, i] for one in each if (steps, i) in one]) for i in range(1, len(order) + 1)]
    less = less_is_better(metric)
    lost = [] if less is None else [average_forgetting(one, less_is_better=less) for one in each]
    return MethodSummary(
        name,
        steps,
        tuple(values),
        over_seeds([one for one in lost if one is not None]),
        round(fmean(run.parameters for run in runs)),
        over_seeds([run.seconds for run in runs]),
    )
