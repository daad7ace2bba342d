"""Builds the page of a benchmark from its folder: methods against tasks, what they cost, and what they forget."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from lfsgan_cli.benchmark.results import (
    Matrix,
    Measured,
    Run,
    average_forgetting,
    domains,
    matrices,
    metrics,
    over_seeds,
    read_runs,
)
from lfsgan_cli.benchmark.suite import SUITE
from lfsgan_cli.evaluation.registry import LEGEND, less_is_better, marked
from lfsgan_cli.io.files import read_plain
from lfsgan_cli.report import text
from lfsgan_cli.report.model import (
    Block,
    Chart,
    Fact,
    Gap,
    Listing,
    Page,
    Picture,
    Row,
    Section,
    SeedRows,
    Series,
    Table,
)
from lfsgan_cli.report.workspace import Drawings, shots, thumbnail, within
from lfsgan_cli.workspace.paths import FEW_SHOTS, run_folder

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
        blocks = [Gap("No number yet", "No run has been measured.", text.benchmark(folder / SUITE))]
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


# The pictures on a benchmark's page: each domain's shots above what every method draws, and forgetting as it looks.


SIDE = 168  # pixels, twice as wide as the page shows them: a page has hundreds
DRAWN_INTRO = (
    "Each domain's shots, and below them what every method draws after its last finished step. A column is one seed. "
    "Seeds are the first ones, not chosen; where a method ran several times, its first run is shown."
)
FADING = (
    "A method with one network for all domains draws an earlier one with what it learned last. "
    "A column is one seed: what changes along it is forgotten."
)


@dataclass(frozen=True)
class Source:
    """A task that draws: of one method with one of the suite's seeds."""

    method: str
    seed: int
    task: str

    @property
    def workspace(self) -> str:
        """The folder of its workspace within the benchmark's."""
        return f"{self.method}/seed{self.seed}"

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.workspace}/{self.task}"


def sources(runs: Sequence[Run]) -> list[Source]:
    """All tasks that draw something for the page, each once."""
    shown, order = _first_runs(runs).values(), domains(runs)
    last = [source for steps in shown for domain in order if (source := _source(steps[-1], domain))]
    earlier = [source for steps in shown for source in _fading(steps, order[0]).values()]
    return list(dict.fromkeys([*last, *earlier]))


def drawn_section(folder: Path, runs: Sequence[Run], drawings: Drawings) -> Section:
    """Every domain's shots and drawings. drawings: their rows under the keys of `sources`."""
    left_out: list[Block] = [Gap(f"{name} is left out", f"{why}.") for name, why in drawings.refused.items()]
    parts = tuple(
        Section(f"drawn-{number}", domain, (_shots(folder, runs, domain), _rows(runs, domain, drawings)))
        for number, domain in enumerate(domains(runs), start=1)
    )
    if not parts:
        left_out.append(Gap("No drawing yet", "No step is finished."))
    return Section("drawn", "What each method draws", tuple(left_out), DRAWN_INTRO, parts)


def forgetting_rows(runs: Sequence[Run], drawings: Drawings) -> list[SeedRows]:
    """The first domain after each step, by every method that does not draw it from a file of its own."""
    found = []
    for method, steps in _first_runs(runs).items():
        first = domains(runs)[0]
        drawn = {label: _row(label, source, drawings) for label, source in _fading(steps, first).items()}
        rows = tuple((label, row) for label, row in drawn.items() if row)
        if rows:
            title = f"The first domain, {first}, as {method} draws it after each step"
            found.append(SeedRows(title, drawings.seeds, rows, FADING))
    return found


def _first_runs(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The finished steps of every method with the first of its seeds, in order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        steps = found.setdefault(run.method, [])
        if not steps or steps[0].seed == run.seed:
            steps.append(run)
    return {method: sorted(steps, key=lambda run: run.step) for method, steps in found.items()}


def _source(run: Run, domain: str) -> Source | None:
    """What draws a domain after a step; None where the step does not know it yet."""
    task = run.drawn_by.get(domain)
    return None if task is None else Source(run.method, run.seed, task)


def _fading(steps: Sequence[Run], first: str) -> Mapping[str, Source]:
    """What draws the first domain after each step; nothing where that is always the same."""
    found = {f"{run.step}: {run.task}": source for run in steps if (source := _source(run, first))}
    return found if len(set(found.values())) > 1 else {}


def _row(what: str, source: Source, drawings: Drawings) -> tuple[Picture, ...]:
    drawn = zip(drawings.seeds, drawings.rows.get(source.key, ()), strict=False)
    return tuple(Picture(thumbnail(data, SIDE), f"{what}, seed {seed}") for seed, data in drawn)


def _shots(folder: Path, runs: Sequence[Run], domain: str) -> Block:
    places = [Source(run.method, run.seed, domain).workspace for run in runs]
    for place in dict.fromkeys(places):
        paths = within(run_folder(folder / place, domain), f"{FEW_SHOTS}/*.png")
        if paths:
            return shots(domain, paths)
    return Gap("No shots here", "No workspace of this benchmark has the pictures that it was learned from.")


def _rows(runs: Sequence[Run], domain: str, drawings: Drawings) -> Block:
    rows, notes = [], []
    for method, steps in _first_runs(runs).items():
        source = _source(steps[-1], domain)
        row = _row(f"{domain} by {method}", source, drawings) if source else ()
        rows += [(method, row)] if row else []
        notes.append(_note(method, domain, source, drawn=bool(row)))
    note = " ".join(filter(None, notes))
    if not rows:
        return Gap("Not drawn", note)
    return SeedRows("Drawn from the same seeds", drawings.seeds, tuple(rows), note)


def _note(method: str, domain: str, source: Source | None, *, drawn: bool) -> str:
    if source is None:
        return f"{method} has not learned it yet."
    if not drawn:
        return f"{method} is left out."
    return "" if source.task == domain else f"{method} has one network, here as it is after {source.task}."


# The few numbers of a benchmark that fit a terminal: each method on each task, its costs and its forgetting.


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
