"""The page of a benchmark: results after the last step, samples, costs, forgetting, and the suite. No torch."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from lfsgan_cli.benchmark.results import (
    SUITE,
    Matrix,
    Measured,
    Run,
    average_forgetting,
    differences,
    domains,
    interval,
    matrices,
    metrics,
    over_seeds,
)
from lfsgan_cli.evaluation.registry import LEGEND, less_is_better, marked
from lfsgan_cli.io.files import read_plain
from lfsgan_cli.report.images import Samples, training_images, within
from lfsgan_cli.report.model import Block, Chart, Gap, Listing, Page, Row, Scatter, Section, SeedRows, Series, Table
from lfsgan_cli.workspace.paths import FEW_SHOTS, run_folder

MOST_BYTES = 1 << 20  # of the suite's file
SIDE = 168  # pixels of a sample, twice as wide as the page shows it: a page has hundreds
INTRO = (
    "Every method learns the same tasks in the same order from the same base and training images, and is measured on "
    "every domain learned so far after each of them."
)
SPREAD = "Where several seeds ran: mean ± standard deviation over them."
SAMPLES_INTRO = (
    "Each domain's training images, and below them samples of every method after its last finished step. A column is "
    "one seed. The seeds are the first ones, not chosen. Where a method ran several times, its first run is shown."
)
FORGETTING = (
    "How much worse the earlier domains are after the last step than when they were learned, on average "
    "(mean over i < T of A[T][i] - A[i][i], with the sign turned where more is better). 0 is nothing forgotten."
)
FADING = (
    "A method with one network for all domains generates an earlier one with what it learned last. "
    "A column is one seed: what changes along it is forgotten."
)
COMPARISON = (
    "Means over seeds with 95 % bootstrap intervals, and each method less the first one, paired by seed. Of two seeds "
    "an interval is their range, so that it says little; with one seed there is none."
)
ONE_SEED = "Only one seed ran: whether a difference is more than noise is not known."
MATRIX_NOTE = "A[t][i]: measured on the domain of the column, after the step of the row was learned."


@dataclass(frozen=True)
class Score:
    """One metric of a benchmark: its full name, its key, and A[t][i] for every method and seed."""

    name: str
    metric: str
    matrices: Mapping[str, Mapping[int, Matrix]]

    @property
    def heading(self) -> str:
        """The name with an arrow to where it is better."""
        return marked(self.metric, self.name)

    def values(self, method: str, step: int, domain: int) -> list[float]:
        """A[step][domain] of every seed that has got so far."""
        return [one[step, domain] for one in self.matrices.get(method, {}).values() if (step, domain) in one]

    def over_domains(self, matrix: Matrix) -> float | None:
        """The mean over all domains after a matrix's last step; None before the first."""
        last = max((step for step, _ in matrix), default=0)
        values = [value for (step, _), value in matrix.items() if step == last]
        return fmean(values) if values else None

    def last_step(self, method: str) -> int:
        """The last step that any seed has finished; 0 before the first."""
        return max((step for matrix in self.matrices.get(method, {}).values() for step, _ in matrix), default=0)


@dataclass(frozen=True)
class Source:
    """A task file that generates samples: of one method with one of the suite's seeds."""

    method: str
    seed: int
    task: str

    @property
    def workspace(self) -> str:
        """The folder of its workspace within the benchmark's."""
        return f"{self.method}/seed{self.seed}"

    @property
    def key(self) -> str:
        """What distinguishes it from others."""
        return f"{self.workspace}/{self.task}"


def page_of(folder: Path, runs: Sequence[Run], samples: Samples) -> Page:
    """The page. runs: the finished steps in the folder. samples: their rows under the keys of `sources`."""
    order = domains(runs)
    scores = [Score(name, metric, matrices(runs, name)) for name, metric in metrics(runs).items()]
    methods = list(dict.fromkeys(run.method for run in runs))
    results: list[Block] = [_after_last(score, methods, order) for score in scores]
    if not results:
        resume = shlex.join(["lfsgan", "benchmark", str(folder / SUITE)])
        results = [Gap("No number yet", "No run has been measured.", resume)]
    sections = (
        Section("results", "After the last step", tuple(results), SPREAD),
        _comparison(scores, methods, order),
        _samples(folder, runs, samples),
        _costs(runs, methods, scores),
        _forgetting(scores, runs, order, _fading_rows(runs, samples)),
        _suite(folder),
    )
    facts = (
        ("methods", ", ".join(methods) or "none yet"),
        ("tasks in order", ", ".join(order) or "none yet"),
        ("seeds", ", ".join(map(str, sorted({run.seed for run in runs}))) or "none yet"),
        ("finished runs", f"{len(runs):,}"),
    )
    return Page("Benchmark", folder.resolve().name, INTRO, facts, sections)


def sources(runs: Sequence[Run]) -> list[Source]:
    """All task files that generate something for the page, each once."""
    shown, order = _first_runs(runs).values(), domains(runs)
    last = [source for steps in shown for domain in order if (source := _source(steps[-1], domain))]
    earlier = [source for steps in shown for source in _fading(steps, order[0]).values()]
    return list(dict.fromkeys([*last, *earlier]))


def _first_runs(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The finished steps of every method with the first of its seeds, in order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        steps = found.setdefault(run.method, [])
        if not steps or steps[0].seed == run.seed:
            steps.append(run)
    return {method: sorted(steps, key=lambda run: run.step) for method, steps in found.items()}


def _source(run: Run, domain: str) -> Source | None:
    """What generates a domain after a step; None where the step does not know it yet."""
    task = run.source(domain)
    return None if task is None else Source(run.method, run.seed, task)


def _fading(steps: Sequence[Run], first: str) -> Mapping[str, Source]:
    """What generates the first domain after each step; nothing where that is always the same file."""
    found = {f"{run.step}: {run.task}": source for run in steps if (source := _source(run, first))}
    return found if len(set(found.values())) > 1 else {}


def _after_last(score: Score, methods: Sequence[str], order: Sequence[str]) -> Table:
    rows: list[Row] = []
    notes = [LEGEND]
    for method in methods:
        last = score.last_step(method)
        values = [score.values(method, last, index) for index in range(1, len(order) + 1)]
        seeds = score.matrices.get(method, {}).values()
        by_seed = [[value for (step, _), value in matrix.items() if step == last] for matrix in seeds]
        rows.append((method, *map(over_seeds, values), over_seeds([fmean(each) for each in by_seed if each])))
        if last < len(order):
            notes.append(f"{method} is at step {last} of {len(order)}.")
    return Table(score.heading, ("method", *order, "mean"), tuple(rows), " ".join(notes))


def _comparison(scores: Sequence[Score], methods: Sequence[str], order: Sequence[str]) -> Section:
    """Every method's mean over all domains, and how it differs from the first method on each."""
    blocks: list[Block] = []
    for score in scores:
        if (less := less_is_better(score.metric)) is None:
            continue
        means: list[Row] = []
        for method in methods:
            each = [score.over_domains(matrix) for matrix in score.matrices.get(method, {}).values()]
            means.append((method, interval([one for one in each if one is not None])))
        blocks.append(Table(f"{score.heading}, mean over all domains", ("method", "mean (interval)"), tuple(means)))
        if len(methods) > 1:
            blocks.append(_against_first(score, methods, order, less=less))
    if not blocks:
        blocks = [Gap("Nothing to compare", "No metric that is better one way has been measured.")]
    return Section("comparison", "Differences between methods", tuple(blocks), COMPARISON)


def _against_first(score: Score, methods: Sequence[str], order: Sequence[str], *, less: bool) -> Table:
    reference, *others = methods
    rows: list[Row] = []
    said = []
    for method in others:
        found = [differences(score.matrices, method, reference, index) for index in range(1, len(order) + 1)]
        rows.append((method, *found))
        groups: dict[str, list[str]] = {"better": [], "worse": [], "noise": []}
        for domain, one in zip(order, found, strict=True):
            if one is not None:
                better = (one.value < 0) is less
                groups["noise" if one.holds_zero else "better" if better else "worse"].append(domain)
        words = [
            f"{word} than {reference} on {', '.join(groups[word])}" for word in ("better", "worse") if groups[word]
        ]
        if groups["noise"]:
            words.append(f"as good as {reference}, within noise, on {', '.join(groups['noise'])}")
        said += [f"{method} is {'; '.join(words)}."] if words else []
    if all(len(seeds) < 2 for seeds in score.matrices.values()):
        said = [ONE_SEED]
    return Table(f"{score.heading}, less {reference}", ("method", *order), tuple(rows), " ".join(said))


def _samples(folder: Path, runs: Sequence[Run], samples: Samples) -> Section:
    """Every domain's training images and samples."""
    left_out: list[Block] = [Gap(f"{name} is left out", f"{why}.") for name, why in samples.refused.items()]
    parts = []
    for number, domain in enumerate(domains(runs), start=1):
        blocks = (_training_images(folder, runs, domain), _seed_rows(runs, domain, samples))
        parts.append(Section(f"samples-{number}", domain, blocks))
    if not parts:
        left_out.append(Gap("No samples yet", "No step is finished."))
    return Section("samples", "Samples of each method", tuple(left_out), SAMPLES_INTRO, tuple(parts))


def _training_images(folder: Path, runs: Sequence[Run], domain: str) -> Block:
    for place in dict.fromkeys(Source(run.method, run.seed, domain).workspace for run in runs):
        paths = within(run_folder(folder / place, domain), f"{FEW_SHOTS}/*.png")
        if paths:
            return training_images(domain, paths)
    return Gap("No training images here", "No workspace of this benchmark has the images that it was learned from.")


def _seed_rows(runs: Sequence[Run], domain: str, samples: Samples) -> Block:
    rows, notes = [], []
    for method, steps in _first_runs(runs).items():
        source = _source(steps[-1], domain)
        row = samples.pictures(source.key, f"{domain} by {method}", SIDE) if source else ()
        if source is None:
            notes.append(f"{method} has not learned it yet.")
        elif not row:
            notes.append(f"{method} is left out.")
        elif source.task != domain:
            notes.append(f"{method} has one network, here as it is after {source.task}.")
        rows += [(method, row)] if row else []
    if not rows:
        return Gap("No samples", " ".join(notes))
    return SeedRows("The same seeds from every method", samples.seeds, tuple(rows), " ".join(notes))


def _costs(runs: Sequence[Run], methods: Sequence[str], scores: Sequence[Score]) -> Section:
    columns = ("method", "adapter", "parameters per task", "MB per task", "seconds per task", "peak memory, MB")
    rows: list[Row] = []
    for method in methods:
        mine = [run for run in runs if run.method == method]
        rows.append((
            method,
            ", ".join(dict.fromkeys(run.adapter for run in mine)),
            round(fmean(run.parameters for run in mine)),
            fmean(run.bytes for run in mine) / 1e6,
            over_seeds([run.seconds for run in mine]),
            max((run.peak_memory_mb for run in mine if run.peak_memory_mb is not None), default=None),
        ))  # fmt: skip
    note = "Peak memory: the highest of all runs."
    blocks: list[Block] = [Table("Mean ± standard deviation over all runs", columns, tuple(rows), note)]
    judged = next((score for score in scores if less_is_better(score.metric) is not None), None)
    if judged is not None and len(methods) > 1:
        sizes = {method: fmean(run.bytes for run in runs if run.method == method) / 1000 for method in methods}
        blocks.append(_size_and_quality(judged, sizes))
    return Section("costs", "Costs", tuple(blocks))


def _size_and_quality(score: Score, sizes: Mapping[str, float]) -> Scatter:
    """Every method by the size of a task file and its mean over domains, with the Pareto front."""
    points = []
    for method, size in sizes.items():
        each = [score.over_domains(matrix) for matrix in score.matrices.get(method, {}).values()]
        if known := [value for value in each if value is not None]:
            points.append((method, size, fmean(known)))
    sign = 1 if less_is_better(score.metric) else -1

    def beaten(size: float, value: float) -> bool:
        return any(
            x <= size and sign * y <= sign * value and (x, y) != (size, value) for _, x, y in points
        )  # fmt: skip

    front = tuple(name for name, size, value in points if not beaten(size, value))
    said = "; ".join(f"{name} {size:,.4g} kB, {value:.4g}" for name, size, value in points)
    return Scatter(
        f"Size of a task file and {score.heading}",
        f"{score.name}, mean over all domains, against kB: {said}. Not beaten in both: {', '.join(front)}.",
        "kB of a task file",
        score.heading,
        tuple(points),
        front,
        f"The dashed line joins the methods that no other beats in size and in quality: {', '.join(front)}.",
    )


def _fading_rows(runs: Sequence[Run], samples: Samples) -> list[SeedRows]:
    """The first domain after each step, from every method that has no file of its own for it."""
    found = []
    for method, steps in _first_runs(runs).items():
        first = domains(runs)[0]
        labelled = {label: samples.pictures(source.key, label, SIDE) for label, source in _fading(steps, first).items()}
        if rows := tuple((label, row) for label, row in labelled.items() if row):
            title = f"The first domain, {first}, from {method} after each step"
            found.append(SeedRows(title, samples.seeds, rows, FADING))
    return found


def _forgetting(scores: Sequence[Score], runs: Sequence[Run], order: Sequence[str], fading: Sequence[Block]) -> Section:
    single = {run.method: run.sequential for run in runs}
    # Numbers of a method with a file for each task stay the same: the one that others are compared with stands for all.
    methods = [method for index, (method, sequential) in enumerate(single.items()) if sequential or not index]
    rows, parts = [], []
    for number, score in enumerate(scores, start=1):
        if (less := less_is_better(score.metric)) is not None:
            rows.append((score.name, *(_forgotten(score, method, less_is_better=less) for method in methods)))
        blocks: list[Block] = [_first_domain(score, methods, order)] if len(order) > 1 else []
        blocks += [_matrix(score, method, order) for method in methods if single[method]]
        parts.append(Section(f"forgetting-{number}", score.heading, tuple(blocks), MATRIX_NOTE))
    note = "Above 0 is forgotten; – where there are not yet two steps."
    table = Table("Average forgetting", ("metric", *methods), tuple(rows), note)
    judged = next((score for score in scores if less_is_better(score.metric) is not None), None)
    figure = [] if judged is None or len(order) < 2 else [_forgetting_figure(judged, methods, single, len(order))]
    return Section("forgetting", "Forgetting", (table, *figure, *fading), FORGETTING, tuple(parts))


def _forgetting_figure(score: Score, methods: Sequence[str], single: Mapping[str, bool], steps: int) -> Chart:
    """Average forgetting after every step: of single networks, and of one method with a file for each task."""
    less, series = bool(less_is_better(score.metric)), []
    for method in methods:
        seeds, points = score.matrices.get(method, {}), [(1.0, 0.0)]
        for step in range(2, steps + 1):
            until = [{key: value for key, value in one.items() if key[0] <= step} for one in seeds.values()]
            found = [average_forgetting(one, less_is_better=less) for one in until if (step, 1) in one]
            if known := [value for value in found if value is not None]:
                points.append((float(step), fmean(known)))
        series.append(Series(method, tuple(points)))
    networks = [method for method, sequential in single.items() if sequential]
    files = [method for method, sequential in single.items() if not sequential]
    ends = "; ".join(f"{one.name} {one.points[-1][1]:.4g}" for one in series)
    note = (
        f"One file for each task, which never changes, so that nothing can be forgotten: {', '.join(files) or 'none'}."
    )
    note += f" One network for all tasks: {', '.join(networks) or 'none'}."
    title = "Average forgetting as further domains are learned"
    return Chart(title, f"{score.name}, after the last step: {ends}.", "step", tuple(series), note)


def _forgotten(score: Score, method: str, *, less_is_better: bool) -> Measured | None:
    last = score.last_step(method)
    complete = [one for one in score.matrices.get(method, {}).values() if (last, 1) in one]
    each = [average_forgetting(matrix, less_is_better=less_is_better) for matrix in complete]
    return over_seeds([one for one in each if one is not None])


def _first_domain(score: Score, methods: Sequence[str], order: Sequence[str]) -> Chart:
    series = []
    for method in methods:
        values = {step: score.values(method, step, 1) for step in range(1, len(order) + 1)}
        if points := tuple((float(step), fmean(found)) for step, found in values.items() if found):
            series.append(Series(method, points))
    ends = "; ".join(f"{one.name} from {one.points[0][1]:.4g} to {one.points[-1][1]:.4g}" for one in series)
    title = f"The first domain, {order[0]}, as further ones are learned"
    return Chart(title, f"{score.name} after each step: {ends}.", "step", tuple(series))


def _matrix(score: Score, method: str, order: Sequence[str]) -> Table:
    rows: tuple[Row, ...] = tuple(
        (f"{step}: {order[step - 1]}", *(over_seeds(score.values(method, step, i + 1)) for i in range(len(order))))
        for step in range(1, score.last_step(method) + 1)
    )
    return Table(f"A[t][i] of {method}", ("after step", *order), rows)


def _suite(folder: Path) -> Section:
    try:
        text = read_plain(folder / SUITE, MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return Section("suite", "The suite", (Gap("No suite here", f"The folder has no {SUITE} that can be read."),))
    return Section("suite", "The suite", (Listing(SUITE, text),), f"{SUITE} as it is beside the runs.")
