"""A benchmark's folder: its suite, its workspaces, which steps are finished, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch

from lfsgan_cli import options
from lfsgan_cli.benchmark.results import Key, RunLines
from lfsgan_cli.benchmark.suite import SUITE, Domain, Method, Suite
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import FeatureExtractors
from lfsgan_cli.evaluation.image_sets import StoredImages, describe, stored_images
from lfsgan_cli.evaluation.registry import Metric, metrics
from lfsgan_cli.images.dataset import LoadedImages, load_images
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.options import spell
from lfsgan_cli.training.config import CHOSEN
from lfsgan_cli.training.discriminator import check_fits, fitted
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import BaseSummary
from lfsgan_cli.workspace.workspace import Workspace, embedded_base


class OutIsAFileError(LfsganError):
    """A file where the benchmark's folder should be."""

    def __init__(self, out: Path) -> None:
        super().__init__(f"{str(out)!r} is a file, and a benchmark is a folder; name another with --out")


class OtherConditionsError(LfsganError):
    """Finished steps whose numbers would not compare with further ones."""

    def __init__(self, out: Path, what: str, was: object, now: object) -> None:
        super().__init__(
            f"the finished steps in {str(out)!r} were made with another {what} ({_short(was)}, now {_short(now)}): "
            "resume with that one, or pass another --out"
        )


class OtherWorkspaceBaseError(LfsganError):
    """A workspace in the benchmark's folder that is not the benchmark's."""

    def __init__(self, root: Path, base: str) -> None:
        super().__init__(
            f"the workspace {str(root)!r} has the base {base[:12]}…, which is not the suite's; "
            "remove that folder, or pass another --out"
        )


class UnlearnableMethodError(LfsganError):
    """A method whose settings the suite's pictures or its base are too small for, or this machine lacks something."""

    def __init__(self, name: str, why: LfsganError) -> None:
        super().__init__(f"method {name!r}: {why}")


@dataclass(frozen=True)
class BenchmarkStep:
    """One task learned by one method with one seed. domains: learned so far, its own the last."""

    method: Method
    seed: int
    domains: tuple[Domain, ...]

    @property
    def number(self) -> int:
        """Counted from 1."""
        return len(self.domains)

    @property
    def task(self) -> Domain:
        """What is learned."""
        return self.domains[-1]

    @property
    def key(self) -> Key:
        """What tells its line from others."""
        return (self.method.name, self.seed, self.number)

    @property
    def init_from(self) -> str | None:
        """The task that it starts from, if not the base."""
        return self.domains[-2].name if self.method.sequential and self.number > 1 else None

    def source(self, domain: Domain) -> str:
        """The task whose file draws a domain after this step: its own, or the latest where there is one network."""
        return self.task.name if self.method.sequential else domain.name


def steps(suite: Suite, methods: Sequence[Method]) -> Iterator[BenchmarkStep]:
    """All steps in order; every method comes to its end with one seed before the next seed begins."""
    for seed in suite.seeds:
        for method in methods:
            for count in range(1, len(suite.tasks) + 1):
                yield BenchmarkStep(method, seed, suite.tasks[:count])


class Benchmark:
    """A suite at work in a folder."""

    def __init__(
        self, suite: Suite, out: Path, extractors: FeatureExtractors, device: torch.device, batch: int
    ) -> None:
        """Everything is checked, nothing written; a mistake is one LfsganError."""
        self.suite, self.out, self.extractors, self.device, self.batch = suite, out, extractors, device, batch
        if out.exists() and not out.is_dir():
            raise OutIsAFileError(out)
        self.base = _base(suite)
        side = self.base.network.resolution
        self.shots: Mapping[str, LoadedImages] = {
            domain.name: load_images(domain.shots, side) for domain in suite.tasks
        }
        self.reals: Mapping[str, StoredImages] = {
            domain.name: stored_images(domain.reals, side) for domain in suite.tasks
        }
        for metric in self.metrics:
            for reals in self.reals.values():
                metric.check(suite.count, len(reals) if "reals" in metric.needs else None, 1)
        for method in suite.methods:
            self._check(method)
        self.lines = RunLines(out)
        self._check_conditions()

    def _check(self, method: Method) -> None:
        """Before any step begins, or a mistake in the last method would show after hours."""
        network = self.base.network
        try:
            check_fits(method.way.resolved(self.device, network).training, network)
        except LfsganError as error:
            raise UnlearnableMethodError(method.name, error) from error

    @property
    def metrics(self) -> list[Metric]:
        """The suite's metrics, in the order of the registry."""
        return [metric for key, metric in metrics().items() if key in self.suite.metrics]

    @property
    def warnings(self) -> list[str]:
        """What must be known of numbers of so few pictures."""
        n, dim = self.suite.count, self.extractors.extractor.dim
        sizes = sorted({len(reals) for reals in self.reals.values()})
        found = (metric.warnings(n, size, dim) for metric in self.metrics for size in sizes)
        return list(dict.fromkeys(text for several in found for text in several))

    def todo(self, methods: Sequence[Method]) -> list[BenchmarkStep]:
        """The steps that are not finished, in order."""
        return [step for step in steps(self.suite, methods) if step.key not in self.lines]

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """All that numbers must share to stand in one table."""
        extractor, embedder = self.extractors.extractor, self.extractors.embedder
        perceptual = {"judge": embedder.name, "judge_sha256": embedder.identity}
        return {
            "settings": self.suite.settings,
            "base": self.base.identity,
            "extractor": extractor.name,
            "extractor_sha256": extractor.identity,
            **(perceptual if "embeddings" in self.suite.needs else {}),
            "shots": {name: shots.identity for name, shots in self.shots.items()},
            "reals": {name: describe(reals) for name, reals in self.reals.items()},
        }

    def begin(self) -> None:
        """Make the folder, with a copy of the suite in it: methods, seeds and tasks may have come to it."""
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomic(self._copy, self.suite.content)

    def root(self, step: BenchmarkStep) -> Path:
        """Where the workspace of a step's method and seed is."""
        return self.out / step.method.name / f"seed{step.seed}"

    def workspace(self, step: BenchmarkStep) -> Workspace:
        """That workspace, with the suite's base in it."""
        workspace = Workspace(self.root(step))
        if self.suite.base is not None and not workspace.base_path.exists():
            workspace.root.mkdir(parents=True, exist_ok=True)
            write_atomic(workspace.base_path, self.suite.base.read_bytes())
        if workspace.base.identity != self.base.identity:
            raise OtherWorkspaceBaseError(workspace.root, workspace.base.identity)
        return workspace

    @property
    def _copy(self) -> Path:
        return self.out / SUITE

    def _check_conditions(self) -> None:
        for line in self.lines.all():
            for what, was, now in differences(line, self.conditions, self.suite, self.base.network):
                raise OtherConditionsError(self.out, what, was, now)


def _base(suite: Suite) -> BaseSummary:
    if suite.base is not None:
        base_file.read(suite.base)  # damage is found before work begins
        return base_file.read_summary(suite.base)
    with embedded_base() as path:
        return base_file.read_summary(path)


def _short(value: object) -> str:
    text = spell(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


# Whether a finished step of a benchmark is one of the suite as it stands now, whatever came to it since.


Difference: TypeAlias = tuple[str, object, object]  # what, as it was, as it is now

BY_TASK = ("shots", "reals")  # of which a step knows only the tasks that the suite had


def differences(
    line: Mapping[str, Any], conditions: Mapping[str, Any], suite: Suite, network: NetworkConfig
) -> Iterator[Difference]:
    """What keeps a line of `runs.jsonl` from standing in one table with further ones; nothing if they go together.

    A suite may grow: more methods, seeds, and tasks after the others. What a line is of must be as it was.
    """
    yield from _conditions(line.get("conditions", {}), conditions)
    names = [task.name for task in suite.tasks][: line["step"]]
    if line["step"] <= len(names) and names[-1] != line["task"]:
        yield f"task as number {line['step']}", line["task"], names[-1]
    for method in suite.methods:
        if method.name == line["method"]:
            yield from _method(line, method, network)


def _conditions(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in now.items():
        theirs = was.get(name)
        if name in BY_TASK and isinstance(theirs, dict):
            common = theirs.keys() & value.keys()
            yield from (
                (f"{name} of {task}", theirs[task], value[task]) for task in common if theirs[task] != value[task]
            )
        elif theirs != value:
            yield name, theirs, value


def _method(line: Mapping[str, Any], method: Method, network: NetworkConfig) -> Iterator[Difference]:
    about = {"adapter": method.way.adapter, "sequential": method.sequential}
    yield from ((f"{key} of method {method.name}", line[key], now) for key, now in about.items() if line[key] != now)
    training = fitted(method.way.seeded(line["seed"]).training, network)
    settings = {key: value for key, value in options.flat(training.to_json()).items() if value != CHOSEN}
    given = options.to_json(method.way.options)
    chosen = {key: value for key, value in given.items() if value is not None}  # None is left to the network's size
    for was, now in ((options.flat(line["training"]), settings), (line["options"], chosen)):
        yield from (
            (f"{key} of method {method.name}", was[key], value)
            for key, value in now.items()
            if key in was and was[key] != value
        )
