"""Measures a finished step of a benchmark: what its task cost, and all numbers of its line in `runs.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.benchmark.plan import Benchmark, BenchmarkStep
from lfsgan_cli.benchmark.results import Line
from lfsgan_cli.benchmark.suite import Domain
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.evaluate import Evaluation, Measurement, NotMeasured
from lfsgan_cli.evaluation.features import Progress
from lfsgan_cli.evaluation.image_sets import WorkspaceSets, stored_images
from lfsgan_cli.evaluation.retention_record import STYLE
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.io.json import read_object
from lfsgan_cli.runs.folder import Stopwatch
from lfsgan_cli.system.machine import PeakMemory
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.paths import FEW_SHOTS, find_task, task_path
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import Workspace

COSTS = "costs.json"


@dataclass(frozen=True)
class Cost:
    """What learning a task cost. seconds: of all processes but those that were killed.

    processes: how many there were; one that was interrupted and resumed counts twice.
    peak_memory_mb: the highest of them, None where the system does not tell; peak_memory_of: of what it is.
    """

    seconds: float = 0.0
    processes: int = 0
    peak_memory_mb: float | None = None
    peak_memory_of: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def costs_path(workspace: Workspace) -> Path:
    """Where a benchmark's workspace records the costs of its tasks."""
    return workspace.root / COSTS


def cost(path: Path, task: str) -> Cost:
    """The recorded cost of a task; nothing where it was not learned yet."""
    return Cost(**read_object(path).get(task, {}))


@contextmanager
def spending(path: Path, task: str, device: torch.device) -> Iterator[None]:
    """Add what the block takes to the costs of a task, however it ends; a killed process counts as one."""

    def note(spent: Cost) -> None:
        costs = {**read_object(path), task: spent.to_json()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, (json.dumps(costs, indent=2, sort_keys=True) + "\n").encode())

    before = cost(path, task)
    note(replace(before, processes=before.processes + 1))
    memory, watch = PeakMemory(device), Stopwatch()
    try:
        yield
    finally:
        peaks = [peak for peak in (before.peak_memory_mb, memory.mb) if peak is not None]
        seconds = round(before.seconds + watch.seconds, 1)
        note(Cost(seconds, before.processes + 1, max(peaks, default=None), memory.kind))


class ChangedTaskError(LfsganError):
    """A task file is not the one that was measured."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__(
            f"task {name!r} in {str(root)!r} has changed since it was measured: remove that folder and its lines in "
            "runs.jsonl, or pass another --out"
        )


class StepMeasuring:
    """The measurements after a step: of its own domain, and of all domains so far where one network has them all.

    A method with a file for each task does not need the earlier domains again: equal files give equal numbers.
    """

    def __init__(self, benchmark: Benchmark, step: BenchmarkStep) -> None:
        """Raises ChangedTaskError where the file of an earlier task is not the measured one."""
        self.benchmark, self.step = benchmark, step
        self.workspace = benchmark.workspace(step)
        if not step.method.sequential:
            for number, domain in enumerate(step.domains[:-1], start=1):
                line = benchmark.lines.get((step.method.name, step.seed, number))
                there = task_path(self.workspace.root, domain.name).exists()  # its workspace may be gone by now
                if line and there and line["task_sha256"] != self._hash(domain.name):
                    raise ChangedTaskError(self.workspace.root, domain.name)
        self._evaluation = self._plan(step.domains if step.method.sequential else step.domains[-1:])

    def pictures(self) -> int:
        """How many images will be processed, if the features of no real one are cached."""
        return self._evaluation.images()

    def run(self, progress: Progress) -> Line:
        """Measure; the step's line. progress: called with the number of images processed. Raises as a metric does."""
        results = []
        for measured in self._evaluation.run(progress):
            if isinstance(measured, NotMeasured):
                raise measured.error
            results.append(self._result(measured))
        step = self.step
        task = task_file.read_summary(find_task(self.workspace.root, step.task.name))
        return {
            "method": step.method.name,
            "seed": step.seed,
            "step": step.number,
            "task": step.task.name,
            "adapter": step.method.recipe.adapter,
            "parameters": task.parameters,
            "bytes": task.file_bytes,
            **cost(costs_path(self.workspace), step.task.name).to_json(),
            "sequential": step.method.sequential,
            "options": task.info.config,
            "training": task.info.training,
            "task_sha256": self._hash(step.task.name),
            "results": results,
        }

    def _plan(self, domains: Sequence[Domain]) -> Evaluation:
        benchmark = self.benchmark
        drawn = WorkspaceSets(self.workspace, benchmark.suite.count, STYLE, benchmark.device).task(self.step.task.name)
        subjects = []
        for domain in domains:
            few_shots = stored_images(self.workspace.task_run(domain.name) / FEW_SHOTS, drawn.resolution, "own")
            # The log in a task's own folder is of its own domain only.
            log = drawn.log if drawn.title == domain.name else None
            reals = benchmark.reals[domain.name]
            subjects.append(replace(drawn, title=domain.name, few_shots=few_shots, reals=reals, log=log))
        evaluation = Evaluation(subjects, None, benchmark.metrics, benchmark.extractors, benchmark.batch)
        for one in evaluation.not_measured:
            raise one.error
        return evaluation

    def _result(self, measured: Measurement) -> dict[str, Any]:
        # One name for all domains, or they could not share a table: different numbers of real images become a range.
        # The number for each domain is in the conditions.
        value, reals = measured.value, self.benchmark.reals
        sizes = sorted({len(found) for found in reals.values()})
        both = f"reals={sizes[0]}" if len(sizes) == 1 else f"reals={sizes[0]}-{sizes[-1]}"
        name = value.name.replace(f"reals={len(reals[measured.task])}", both)
        error = {} if value.error is None else {"error": value.error}
        return {
            "domain": measured.task, "metric": value.metric, "name": name, "value": value.value, **error, **value.note
        }  # fmt: skip

    def _hash(self, name: str) -> str:
        """SHA-256 of a task's tensors as they are on disk now."""
        return TaskFile.open(find_task(self.workspace.root, name)).sha256
