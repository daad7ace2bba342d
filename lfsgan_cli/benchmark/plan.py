"""A benchmark's folder: the suite, a workspace for each method and seed, finished steps and their conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch

from lfsgan_cli import __version__, options
from lfsgan_cli.benchmark.results import CONDITIONS, SUITE, Key, Line, RunLines
from lfsgan_cli.benchmark.suite import Domain, Method, Suite
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import ExtractorSettings, FeatureExtractors
from lfsgan_cli.evaluation.image_sets import StoredImages, describe, stored_images
from lfsgan_cli.evaluation.registry import Metric, metrics
from lfsgan_cli.evaluation.retention_record import STYLE
from lfsgan_cli.images.dataset import LoadedImages, load_images
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.options import spell
from lfsgan_cli.system.machine import machine, this_machine
from lfsgan_cli.training.config import CHOSEN
from lfsgan_cli.training.discriminator import fitted
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base, BaseSummary, embedded_base
from lfsgan_cli.workspace.workspace import Workspace

Difference: TypeAlias = tuple[str, object, object]  # what, as it was, as it is now


class OutIsAFileError(LfsganError):
    """A file where the benchmark's folder should be."""

    def __init__(self, out: Path) -> None:
        super().__init__(f"{str(out)!r} is a file, and a benchmark is a folder; pass another --out")


class OtherConditionsError(LfsganError):
    """Finished steps whose numbers cannot be compared with further ones."""

    def __init__(self, out: Path, what: str, was: object, now: object) -> None:
        def short(value: object) -> str:
            text = spell(value)
            return text if len(text) <= 40 else f"{text[:12]}…"

        super().__init__(
            f"the finished steps in {str(out)!r} were made with another {what} ({short(was)}, now {short(now)}): "
            "resume with that one, or pass another --out"
        )


class OtherWorkspaceBaseError(LfsganError):
    """A workspace in the benchmark's folder has another base than the suite."""

    def __init__(self, root: Path, base: str) -> None:
        super().__init__(
            f"the workspace {str(root)!r} has the base {base[:12]}…, which is not the suite's; "
            "remove that folder, or pass another --out"
        )


class UnlearnableMethodError(LfsganError):
    """A method that does not fit the suite's images or its base, or that this machine cannot run."""

    def __init__(self, name: str, why: LfsganError) -> None:
        super().__init__(f"method {name!r}: {why}")


@dataclass(frozen=True)
class BenchmarkStep:
    """One task learned by one method with one seed. domains: those learned so far, its own last."""

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
        """What distinguishes its line from others."""
        return (self.method.name, self.seed, self.number)

    @property
    def init_from(self) -> str | None:
        """The task that it starts from, if not the base."""
        return self.domains[-2].name if self.method.sequential and self.number > 1 else None


def open_benchmark(
    suite: Suite, path: Path, out: Path | None, device: torch.device, batch: int, **weights: Any
) -> tuple[Benchmark, str]:
    """A suite's benchmark, and which networks measure it. weights: of `ExtractorSettings`, but for what a suite says.

    path: the suite's file. The copy of it in a benchmark's folder resumes that benchmark; any other file's has the
    suite's name, if `out` is None. Raises what `ExtractorSettings.load` and `Benchmark` raise.
    """
    folder = out or (path.parent if path.name == SUITE else Path(suite.name))
    said: dict[str, Any] = {
        "features": suite.features,
        "fid_mode": suite.fid_mode,
        "lpips_features": suite.lpips_features,
    }
    extractors, words = ExtractorSettings(**said, **weights).load(device, suite.needs)
    return Benchmark(suite, folder, extractors, device, batch), words


class Benchmark:
    """A suite and its folder."""

    def __init__(
        self, suite: Suite, out: Path, extractors: FeatureExtractors, device: torch.device, batch: int
    ) -> None:
        """Check everything, and write nothing; LfsganError for the first problem."""
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
        unlearned = build_generator(self.base.network)  # of any weights: only its shape counts
        for method in suite.methods:  # before any step begins, or the last method's mistake would show after hours
            try:
                method.recipe.resolved(device, self.base.network).check(unlearned)
            except LfsganError as error:
                raise UnlearnableMethodError(method.name, error) from error
        self.lines = RunLines(out)
        for what, was, now in self._differences():
            raise OtherConditionsError(out, what, was, now)

    @property
    def metrics(self) -> list[Metric]:
        """The suite's metrics, in the order of the registry."""
        return [metric for key, metric in metrics().items() if key in self.suite.metrics]

    @property
    def warnings(self) -> list[str]:
        """Limits of metrics that are measured on so few images."""
        n, dim = self.suite.count, self.extractors.extractor.dim
        sizes = sorted({len(reals) for reals in self.reals.values()})
        found = (metric.warnings(n, size, dim) for metric in self.metrics for size in sizes)
        return list(dict.fromkeys(text for several in found for text in several))

    def todo(self, methods: Sequence[Method]) -> list[BenchmarkStep]:
        """The steps that are not finished, in order: each method finishes with a seed before the next seed begins."""
        tasks = self.suite.tasks
        steps = (
            BenchmarkStep(method, seed, tasks[:count])
            for seed in self.suite.seeds
            for method in methods
            for count in range(1, len(tasks) + 1)
        )
        return [step for step in steps if step.key not in self.lines]

    @cached_property
    def shared(self) -> Line:
        """The line of conditions in `runs.jsonl`.

        Its "conditions" are what numbers must share to be compared; the rest is what repeats them.
        """
        extractor, embedder = self.extractors.extractor, self.extractors.embedder
        perceptual = {"embedder": embedder.name, "embedder_sha256": embedder.identity}
        conditions = {
            "settings": self.suite.settings,
            "base": self.base.identity,
            "extractor": extractor.name,
            "extractor_sha256": extractor.identity,
            **(perceptual if "embeddings" in self.suite.needs else {}),
            "shots": {name: shots.identity for name, shots in self.shots.items()},
            "reals": {name: describe(reals) for name, reals in self.reals.items()},
            "device": self.device.type,
            "tf32": self.device.type == "cuda" and torch.backends.cudnn.allow_tf32,
        }
        return {
            CONDITIONS: conditions,
            "generated": {"seeds": f"0-{self.suite.count - 1}", **STYLE.note()},
            "machine": {"lfsgan": __version__, **machine(), "device": this_machine(self.device).device},
        }

    def begin(self) -> None:
        """Make the folder, and put a copy of the suite in it, which may have grown since the last run."""
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomic(self.out / SUITE, self.suite.content)

    def root(self, step: BenchmarkStep) -> Path:
        """The workspace of a step's method and seed."""
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

    def _differences(self) -> Iterator[Difference]:
        """What keeps finished steps from being compared with further ones; nothing if they go together.

        A suite may grow by methods, seeds, and tasks after the others. What is finished must be as it was.
        """
        for line in self.lines.conditions:
            yield from _of_conditions(line[CONDITIONS], self.shared[CONDITIONS])
        names = [task.name for task in self.suite.tasks]
        for line in self.lines.all():
            step = line["step"]
            if step <= len(names) and names[step - 1] != line["task"]:
                yield f"task as number {step}", line["task"], names[step - 1]
            for method in self.suite.methods:
                if method.name == line["method"]:
                    yield from self._of_method(line, method)

    def _of_method(self, line: Line, method: Method) -> Iterator[Difference]:
        recipe = method.recipe
        given = options.to_json(recipe.options)
        chosen = {key: value for key, value in given.items() if value is not None}  # the network decides the others
        training = fitted(recipe.seeded(line["seed"]).training, self.base.network)
        settings = {key: value for key, value in options.flat(training.to_json()).items() if value != CHOSEN}
        for was, now in (
            (line, {"adapter": recipe.adapter, "sequential": method.sequential}),
            (options.flat(line["training"]), settings),
            (line["options"], chosen),
        ):
            for key, value in now.items():
                if key in was and was[key] != value:
                    yield f"{key} of method {method.name}", was[key], value


def _base(suite: Suite) -> BaseSummary:
    if suite.base is not None:
        Base.open(suite.base)  # damage is found before work begins
        return base_file.read_summary(suite.base)
    with embedded_base() as path:
        return base_file.read_summary(path)


def _of_conditions(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name, value in now.items():
        before = was.get(name)
        if name in {"shots", "reals"} and isinstance(before, dict):  # of the tasks that both know
            for task in before.keys() & value.keys():
                if before[task] != value[task]:
                    yield f"{name} of {task}", before[task], value[task]
        elif before != value:
            yield name, before, value
