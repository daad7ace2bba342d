"""Builds the page of a benchmark from its folder: methods against tasks, what they cost, and what they forget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from lfsgan_cli.plainfile import read_plain
from lfsgan_cli.report import ways
from lfsgan_cli.report.benchmark_drawings import drawn_section, forgetting_rows
from lfsgan_cli.report.directions import LEGEND, less_is_better, marked
from lfsgan_cli.report.forgetting import Matrix, average_forgetting, over_seeds
from lfsgan_cli.report.model import (
    Block,
    Chart,
    Fact,
    Gap,
    Listing,
    Measured,
    Page,
    Row,
    Section,
    Series,
    Table,
)
from lfsgan_cli.report.reading import Drawings
from lfsgan_cli.report.runs import Run, domains, matrices, metrics, read_runs

SUITE = "suite.toml"
MOST_BYTES = 1 << 20  # of it
INTRO = (
    "Every method learns the same tasks in the same order from the same base and the same few pictures, and is "
    "measured on every domain learned so far after each of them."
)
SPREAD = "Where several seeds ran: mean ± standard deviation over them."
FORGETTING = (
    "How much worse the earlier domains are after the last step than when they were learned, on average "
    "(mean over i < T of A[T][i] - A[i][i], with the sign turned where more is better). 0 is nothing forgotten."
)
MATRIX_NOTE = "A[t][i]: measured on the domain of the column, after the step of the row was learned."


@dataclass(frozen=True)
class Score:
    """One metric of a benchmark: its shown name, what it is of, and A[t][i] for every method and seed."""

    name: str
    metric: str
    matrices: Mapping[str, Mapping[int, Matrix]]

    @property
    def heading(self) -> str:
        """The name with an arrow to where it is better."""
        return marked(self.metric, self.name)

    def values(self, method: str, step: int, domain: int) -> list[float]:
        """A[step][domain] of every seed that came so far."""
        return [one[step, domain] for one in self.matrices.get(method, {}).values() if (step, domain) in one]


def read_benchmark(folder: Path) -> Page:
    """The page of what can be read alone. Raises DamagedLinesError for a line of `runs.jsonl` that is no run."""
    return page_of(folder, read_runs(folder), Drawings((), {}, {}))


def page_of(folder: Path, runs: Sequence[Run], drawings: Drawings) -> Page:
    """The page. runs: what is finished of the benchmark in the folder; drawings: of what `sources` names."""
    order = domains(runs)
    scores = [Score(name, metric, matrices(runs, name, order)) for name, metric in metrics(runs).items()]
    methods = list(dict.fromkeys(run.method for run in runs))
    sections = (
        _results(folder, scores, methods, order),
        drawn_section(folder, runs, drawings),
        _costs(runs, methods),
        _forgetting(scores, methods, order, forgetting_rows(runs, drawings)),
        _suite(folder),
    )
    return Page("Benchmark", folder.resolve().name, INTRO, _facts(runs, methods, order), sections)


def _facts(runs: Sequence[Run], methods: Sequence[str], order: Sequence[str]) -> tuple[Fact, ...]:
    seeds = sorted({run.seed for run in runs})
    return (
        ("methods", ", ".join(methods) or "none yet"),
        ("tasks in order", ", ".join(order) or "none yet"),
        ("seeds", ", ".join(map(str, seeds)) or "none yet"),
        ("finished runs", f"{len(runs):,}"),
    )


def _results(folder: Path, scores: Sequence[Score], methods: Sequence[str], order: Sequence[str]) -> Section:
    blocks: list[Block] = [_after_last(score, methods, order) for score in scores]
    if not blocks:
        blocks = [Gap("No number yet", "No run has been measured.", ways.benchmark(folder / SUITE))]
    return Section("results", "After the last step", tuple(blocks), SPREAD)


def _after_last(score: Score, methods: Sequence[str], order: Sequence[str]) -> Table:
    rows: list[Row] = []
    short: list[str] = []
    for method in methods:
        last = _last_step(score, method)
        values = [score.values(method, last, index) for index in range(1, len(order) + 1)]
        rows.append(
            (method, *map(over_seeds, values), over_seeds([fmean(each) for each in _by_seed(score, method, last)]))
        )
        short += [f"{method} is at step {last} of {len(order)}."] if last < len(order) else []
    return Table(score.heading, ("method", *order, "mean"), tuple(rows), " ".join([LEGEND, *short]))


def _by_seed(score: Score, method: str, step: int) -> list[list[float]]:
    seeds = score.matrices.get(method, {}).values()
    rows = [[value for (t, _), value in matrix.items() if t == step] for matrix in seeds]
    return [row for row in rows if row]


def _last_step(score: Score, method: str) -> int:
    return max((step for matrix in score.matrices.get(method, {}).values() for step, _ in matrix), default=0)


def _costs(runs: Sequence[Run], methods: Sequence[str]) -> Section:
    columns = ("method", "adapter", "parameters per task", "MB per task", "seconds per task", "peak memory, MB")
    rows = tuple(_cost(method, [run for run in runs if run.method == method]) for method in methods)
    table = Table("Mean ± standard deviation over all runs", columns, rows, "Peak memory: the highest of all runs.")
    return Section("costs", "What it costs", (table,))


def _cost(method: str, runs: Sequence[Run]) -> Row:
    adapters = ", ".join(dict.fromkeys(run.adapter for run in runs))
    memory = [run.peak_memory_mb for run in runs if run.peak_memory_mb is not None]
    return (
        method,
        adapters,
        round(fmean(run.parameters for run in runs)),
        fmean(run.bytes for run in runs) / 1e6,
        over_seeds([run.seconds for run in runs]),
        max(memory, default=None),
    )


def _forgetting(
    scores: Sequence[Score], methods: Sequence[str], order: Sequence[str], drawn: Sequence[Block]
) -> Section:
    known = [score for score in scores if less_is_better(score.metric) is not None]
    rows = tuple((score.name, *(_forgotten(score, method) for method in methods)) for score in known)
    table = Table(
        "Average forgetting", ("metric", *methods), rows, "Above 0 is forgotten; – where there are not yet two steps."
    )
    parts = tuple(_score_section(number, score, methods, order) for number, score in enumerate(scores, start=1))
    return Section("forgetting", "What is forgotten", (table, *drawn), FORGETTING, parts)


def _forgotten(score: Score, method: str) -> Measured | None:
    less = bool(less_is_better(score.metric))
    last = _last_step(score, method)
    complete = [one for one in score.matrices.get(method, {}).values() if (last, 1) in one]
    each = [average_forgetting(matrix, less_is_better=less) for matrix in complete]
    return over_seeds([one for one in each if one is not None])


def _score_section(number: int, score: Score, methods: Sequence[str], order: Sequence[str]) -> Section:
    blocks: list[Block] = [_first_domain(score, methods, order)] if len(order) > 1 else []
    blocks += [_matrix(score, method, order) for method in methods]
    return Section(f"forgetting-{number}", score.heading, tuple(blocks), MATRIX_NOTE)


def _first_domain(score: Score, methods: Sequence[str], order: Sequence[str]) -> Chart:
    series = []
    for method in methods:
        values = {step: score.values(method, step, 1) for step in range(1, len(order) + 1)}
        points = tuple((float(step), fmean(found)) for step, found in values.items() if found)
        series += [Series(method, points)] if points else []
    ends = "; ".join(f"{one.name} from {one.points[0][1]:.4g} to {one.points[-1][1]:.4g}" for one in series)
    title = f"The first domain, {order[0]}, as further ones are learned"
    return Chart(title, f"{score.name} after each step: {ends}.", "step", tuple(series))


def _matrix(score: Score, method: str, order: Sequence[str]) -> Table:
    steps = range(1, _last_step(score, method) + 1)
    rows: tuple[Row, ...] = tuple(
        (f"{step}: {order[step - 1]}", *(over_seeds(score.values(method, step, i + 1)) for i in range(len(order))))
        for step in steps
    )
    return Table(f"A[t][i] of {method}", ("after step", *order), rows)


def _suite(folder: Path) -> Section:
    path = folder / SUITE
    try:
        text = read_plain(path, MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return Section("suite", "The suite", (Gap("No suite here", f"The folder has no {SUITE} that can be read."),))
    return Section("suite", "The suite", (Listing(SUITE, text),), "What was asked for, as it stands beside the runs.")
