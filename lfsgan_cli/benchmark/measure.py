"""Measuring after a step of a benchmark: every domain learned so far, and the line that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lfsgan_cli import __version__
from lfsgan_cli.benchmark.plan import Benchmark, BenchmarkStep
from lfsgan_cli.benchmark.results import Line, cost, costs_path
from lfsgan_cli.benchmark.suite import Domain
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.evaluate import Evaluation, Measurement, NotMeasured
from lfsgan_cli.evaluation.features import Progress
from lfsgan_cli.evaluation.image_sets import ImageSet, WorkspaceSets, stored_images
from lfsgan_cli.evaluation.retention import STYLE
from lfsgan_cli.io import safetensors
from lfsgan_cli.system.machine import machine
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.paths import FEW_SHOTS, find_task, task_path


class ChangedTaskError(LfsganError):
    """A task that is not the one that was measured."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(
            f"task {name!r} in {str(root)!r} has changed since it was measured: remove that folder and its lines in "
            "runs.jsonl, or pass another --out"
        )


class StepMeasuring:
    """What is measured once a step's task is learned."""

    def __init__(self, benchmark: Benchmark, step: BenchmarkStep) -> None:
        """Raises ChangedTaskError where an earlier task is not what it was."""
        self.benchmark, self.step = benchmark, step
        self.workspace = benchmark.workspace(step)
        self._sources = {domain.name: step.source(domain) for domain in step.domains}
        self._hashes = {name: self._hash(name) for name in {*self._sources.values(), step.task.name}}
        self._known = {domain.name: self._earlier(domain) for domain in step.domains}
        self._evaluation = self._plan([domain for domain in step.domains if not self._known[domain.name]])

    def pictures(self) -> int:
        """How many pictures will be looked at, if none of the real ones was before."""
        return self._evaluation.images()

    def run(self, progress: Progress) -> Line:
        """Measure all of them; the step's line. progress: told of images processed. Raises what a metric raises."""
        results = {name: list(known) for name, known in self._known.items()}
        for measured in self._evaluation.run(progress):
            if isinstance(measured, NotMeasured):
                raise measured.error
            results[measured.task].append(self._result(measured))
        return {**self._about(), "results": [one for several in results.values() for one in several]}

    def _result(self, measured: Measurement) -> dict[str, Any]:
        source = self._sources[measured.task]
        drawn = {"drawn_by": source, "task_sha256": self._hashes[source], "measured_at": self.step.number}
        return {"domain": measured.task, **_numbers(measured), "name": self._name(measured), **drawn}

    def _name(self, measured: Measurement) -> str:
        """One for all domains, or they would not stand in one table: real sets of several sizes are given as a range.

        The size of each is in the line's conditions.
        """
        reals = self.benchmark.reals
        sizes = sorted({len(found) for found in reals.values()})
        both = f"reals={sizes[0]}" if len(sizes) == 1 else f"reals={sizes[0]}-{sizes[-1]}"
        return measured.value.name.replace(f"reals={len(reals[measured.task])}", both)

    def _earlier(self, domain: Domain) -> Sequence[dict[str, Any]]:
        """What was measured of the same file when it was learned; nothing where there is one network for all."""
        number = self.step.domains.index(domain) + 1
        if self.step.method.sequential or number == self.step.number:
            return []
        line = self.benchmark.lines.get((self.step.method.name, self.step.seed, number))
        results = [one for one in line["results"] if one["domain"] == domain.name] if line else []
        if any(one.get("task_sha256") != self._hashes[domain.name] for one in results):
            raise ChangedTaskError(self.workspace.root, domain.name)
        return results

    def _hash(self, name: str) -> str:
        """Of a task's tensors as they lie there now; a task whose folder is gone is the one that was measured."""
        if name != self.step.task.name and not task_path(self.workspace.root, name).exists():
            measured = [one for line in self._lines() for one in line["results"] if one["drawn_by"] == name]
            if measured:
                return str(measured[0]["task_sha256"])
        return safetensors.content_hash(task_file.read(find_task(self.workspace.root, name))[1])

    def _lines(self) -> list[Line]:
        """Of the steps before this one."""
        keys = [(self.step.method.name, self.step.seed, number) for number in range(1, self.step.number)]
        return [line for key in keys if (line := self.benchmark.lines.get(key))]

    def _plan(self, domains: Sequence[Domain]) -> Evaluation:
        benchmark = self.benchmark
        gallery = WorkspaceSets(self.workspace, benchmark.suite.count, STYLE, benchmark.device)
        # One network draws once for all of its domains.
        drawn = {source: gallery.task(source) for source in {self._sources[domain.name] for domain in domains}}
        subjects = [self._subject(domain, drawn[self._sources[domain.name]]) for domain in domains]
        evaluation = Evaluation(subjects, None, benchmark.metrics, benchmark.extractors, benchmark.batch)
        for one in evaluation.not_measured:
            raise one.error
        return evaluation

    def _subject(self, domain: Domain, drawn: ImageSet) -> ImageSet:
        few_shots = stored_images(self.workspace.task_run(domain.name) / FEW_SHOTS, drawn.resolution)
        # The log in a task's own folder is of its own domain only.
        log = drawn.log if drawn.title == domain.name else None
        return replace(drawn, title=domain.name, few_shots=few_shots, reals=self.benchmark.reals[domain.name], log=log)

    def _about(self) -> dict[str, Any]:
        """The line but for its numbers: what was learned, how, at which cost, and what repeats it."""
        step, benchmark = self.step, self.benchmark
        task = task_file.read_summary(find_task(self.workspace.root, step.task.name))
        spent = cost(costs_path(self.workspace), step.task.name).to_json()
        return {
            "method": step.method.name,
            "seed": step.seed,
            "step": step.number,
            "task": step.task.name,
            "adapter": step.method.way.adapter,
            "parameters": task.parameters,
            "bytes": task.file_bytes,
            **spent,
            "sequential": step.method.sequential,
            "options": task.info.config,
            "training": task.info.training,
            "task_sha256": self._hashes[step.task.name],
            "drawn": {"seeds": f"0-{benchmark.suite.count - 1}", **STYLE.note()},
            "device": str(benchmark.device),
            "versions": {"lfsgan": __version__, **machine()},
            "conditions": benchmark.conditions,
        }


def _numbers(measured: Measurement) -> dict[str, Any]:
    value = measured.value
    error = {} if value.error is None else {"error": value.error}
    return {"metric": value.metric, "value": value.value, **error, **value.note}
