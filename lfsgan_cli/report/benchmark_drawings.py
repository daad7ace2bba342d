"""The pictures on a benchmark's page: each domain's shots above what every method draws, and forgetting as it looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.report.model import Block, Gap, Picture, Section, SeedRows
from lfsgan_cli.report.reading import Drawings
from lfsgan_cli.report.runs import Run, domains
from lfsgan_cli.report.stills import shots, thumbnail, within
from lfsgan_cli.taskfolder import FEW_SHOTS, run_folder

SIDE = 168  # pixels, twice as wide as the page shows them: a page has hundreds
INTRO = (
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
    return Section("drawn", "What each method draws", tuple(left_out), INTRO, parts)


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
