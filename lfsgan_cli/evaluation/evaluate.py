"""Evaluating sets of images: each is passed through the networks once, and every number is recorded with its origin."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors.pixels import PixelEmbedder
from lfsgan_cli.evaluation.features import (
    Batch,
    ExtractorSettings,
    FeatureCollector,
    FeatureExtractors,
    Packed,
    Progress,
    load_cached,
    save_cached,
)
from lfsgan_cli.evaluation.image_sets import (
    GeneratedImages,
    ImageSet,
    Sampled,
    SampleImages,
    SavedImages,
    StoredImages,
    describe,
)
from lfsgan_cli.evaluation.registry import Collected, Collector, Metric, Need, Rows, Setting, Value
from lfsgan_cli.generation import shards
from lfsgan_cli.generation.output import save_grid, to_arrays
from lfsgan_cli.io.files import FileWriteError
from lfsgan_cli.io.json import read_lines
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.system.machine import machine
from lfsgan_cli.workspace.paths import METRICS


class NoTrainingImagesError(LfsganError):
    """A set whose training images are needed, and not known."""

    def __init__(self, title: str, instead: str) -> None:
        super().__init__(f"the training images of {title!r} are not known; pass {instead}")


@dataclass(frozen=True)
class Measurement:
    """One number of one set. note: what repeats it."""

    task: str
    value: Value
    note: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As a line of `metrics.jsonl`, and of `--json`."""
        value = self.value
        error = {} if value.error is None else {"error": value.error}
        named = {"task": self.task, "metric": value.metric, "name": value.name, "value": value.value, **error}
        return {**named, **value.note, **self.note}


@dataclass(frozen=True)
class NotMeasured:
    """A metric of a set that cannot be measured, and why."""

    task: str
    metric: str
    error: LfsganError

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"task": self.task, "metric": self.metric, "reason": str(self.error)}


@dataclass(frozen=True)
class FewShots:
    """The few shots of a set, embedded: [K, D], and pixel by pixel: [K, 3RR]."""

    embeddings: Tensor
    pixels: Tensor
    identity: str


class RealImages:
    """What metrics collect of real images, computed once for the same images in this run and the ones before."""

    def __init__(self, extractors: FeatureExtractors, batch: int) -> None:
        self._extractors, self._batch = extractors, batch
        self._values: dict[str, Tensor | None] = {}  # by key, as JSON
        self._derived: dict[Any, Any] = {}

    def collected(
        self, reals: StoredImages, metrics: Sequence[Metric], setting: Setting, progress: Progress
    ) -> Collected:
        """What `metrics` need, in one pass over the images for what is not known yet."""
        images = {"images": reals.identity, "resolution": reals.dataset.resolution, "resize": reals.resize}
        collectors: dict[str, Collector] = {}
        keys: dict[str, Mapping[str, Any]] = {}
        needs: set[Need] = set()
        for metric in metrics:
            wanted = dict(metric.real_collectors(setting))
            if "features" in metric.needs:
                wanted["features"] = FeatureCollector(self._extractors.extractor)
            keys |= {name: {**images, **self._extractors.arithmetic, **one.key} for name, one in wanted.items()}
            missing = {name: one for name, one in wanted.items() if self._known(keys[name]) is None}
            collectors |= missing
            needs |= metric.needs if missing else set()
        if collectors:
            self._extractors.collect(reals, collectors.values(), needs, self._batch, progress)
        for name, collector in collectors.items():
            value: Tensor = collector.result()
            self._values[json.dumps(keys[name], sort_keys=True)] = value
            save_cached(keys[name], value)
        return Collected(len(reals), {name: partial(self._known, key) for name, key in keys.items()}, self._derived)

    def _known(self, key: Mapping[str, Any]) -> Tensor | None:
        text = json.dumps(key, sort_keys=True)
        if text not in self._values:
            self._values[text] = load_cached(key)
        return self._values[text]


@dataclass(frozen=True)
class Evaluation:
    """What is to be measured. reals: for all sets; None takes each one's own, or else its few shots.

    blocks: disjoint runs of samples, for a spread; 1 is none. options: values of the metrics' own options. jobs:
    processes that generate samples and pass them through the networks, which they load by `settings`. ranks: share the
    samples of tasks likewise; the first one looks at all else, measures and records.
    """

    sets: Sequence[ImageSet]
    reals: StoredImages | None
    metrics: Sequence[Metric]
    extractors: FeatureExtractors
    batch: int
    blocks: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1
    settings: ExtractorSettings = field(default_factory=ExtractorSettings)
    ranks: Ranks = ALONE

    @cached_property
    def not_measured(self) -> Sequence[NotMeasured]:
        """The metrics that cannot be measured, known before work starts."""
        found = []
        for one in self.sets:
            for metric in self.metrics:
                try:
                    self._check(one, metric)
                except LfsganError as error:
                    found.append(NotMeasured(one.title, metric.key, error))
        return found

    def _check(self, one: ImageSet, metric: Metric) -> None:
        reals = self._reals(one)
        if "reals" in metric.needs and reals is None:
            raise NoTrainingImagesError(
                one.title, "images to compare with by --reals, or the training images by --shots"
            )
        if "training images" in metric.needs and one.few_shots is None:
            raise NoTrainingImagesError(one.title, "them by --shots")
        metric.check(one.count, len(reals) if reals is not None and "reals" in metric.needs else None, self.blocks)

    def check(self) -> None:
        """Raise the first error if no metric of no set can be measured."""
        if len(self.not_measured) == len(self.sets) * len(self.metrics):
            raise self.not_measured[0].error

    def images(self) -> int:
        """How many images will be processed, if none of the real ones was before."""
        samples = {one.open: one.count for one in self.sets if self._measurable(one)}
        reals = {
            found.identity: len(found)
            for one in self.sets
            if any("reals" in metric.needs for metric in self._measurable(one)) and (found := self._reals(one))
        }
        return sum(samples.values()) + sum(reals.values())

    def run(self, progress: Progress) -> Iterator[Measurement | NotMeasured]:
        """Every number, also appended to its set's `metrics.jsonl`; NotMeasured where one fails only now.

        progress: told of images processed.
        """
        for _, same in groupby(self.sets, key=lambda one: one.open):
            sets = [one for one in same if self._measurable(one)]
            if sets and self.ranks.first:
                yield from self._run(sets, progress)
            elif sets:
                self._contribute(sets)

    def _run(self, sets: Sequence[ImageSet], progress: Progress) -> Iterator[Measurement | NotMeasured]:
        """Of sets that have the same samples: these are generated and passed through the networks once."""
        metrics = [self._measurable(one) for one in sets]
        needs = {need for several in metrics for metric in several for need in metric.needs}
        samples, settings = sets[0].open(), [self._setting(one) for one in sets]
        features = FeatureCollector(self.extractors.extractor)
        shared = {"features": features} if "features" in needs else {}
        own = [
            {name: one for metric in several for name, one in metric.collectors(setting).items()}
            for several, setting in zip(metrics, settings, strict=True)
        ]
        collectors: list[Collector] = [*shared.values(), *(one for several in own for one in several.values())]
        for batch in self._looked_at(sets[0], samples, needs, progress):
            for collector in collectors:
                collector.see(batch)
        for one, setting, several, collected in zip(sets, settings, metrics, own, strict=True):
            results = {name: collector.result for name, collector in {**shared, **collected}.items()}
            found, note, known = Collected(one.count, results), self._note(one, several), self._reals(one)
            compared = [metric for metric in several if "reals" in metric.needs]
            reals = self._real_images.collected(known, compared, setting, progress) if known and compared else None
            for metric in several:
                try:
                    for result in metric.measure(found, reals, setting):
                        if isinstance(result, Rows):
                            self._save_sheet(one, metric, samples, result)
                        else:
                            measured = Measurement(one.title, replace(result, name=result.name + one.suffix), note)
                            self._append(one, measured)
                            yield measured
                except LfsganError as error:
                    yield NotMeasured(one.title, metric.key, error)

    def _looked_at(
        self, one: ImageSet, samples: SampleImages, needs: Collection[Need], progress: Progress
    ) -> Iterator[Batch]:
        """All samples in order, with what the networks made of them."""
        if self.jobs == self.ranks.count == 1 or not isinstance(one.open, Sampled):
            yield from self.extractors.run(samples, needs, self.batch, progress)
            return
        process = self._process(one.open, needs)
        if self.ranks.count > 1:
            found = self._gathered(one, process)
        else:
            several = shards.spread(process, shards.batches(one.count, process.size), self.jobs)
            found = (batch for each in several for batch in map(Batch.unpacked, each))
        for batch in samples.written(found, lambda batch: batch.images) if isinstance(samples, SavedImages) else found:
            progress(len(batch.images))
            yield batch

    def _gathered(self, one: ImageSet, process: _Process) -> Iterator[Batch]:
        """All samples in order on the first rank, nothing on the others; each looks at every so many batches."""
        process.use(self.extractors)
        units = shards.batches(one.count, process.size)
        kinds = [kind for kind in ("features", "embeddings") if kind in process.needs]
        for first in range(0, len(units), self.ranks.count):
            several = units[first : first + self.ranks.count]
            own = [batch for unit in self.ranks.mine(several) for batch in process.run(unit)]
            columns = [column for column in zip(*own, strict=True) if column[0] is not None]
            tensors = [torch.from_numpy(np.concatenate(column)) for column in columns]
            for images, *rest in self.ranks.collected(tensors, [unit.stop - unit.start for unit in several]):
                made = dict(zip(kinds, rest, strict=True))
                yield Batch(images, made.get("features"), made.get("embeddings"))

    def _contribute(self, sets: Sequence[ImageSet]) -> None:
        """What all ranks but the first do for sets that have the same samples."""
        needs = {need for one in sets for metric in self._measurable(one) for need in metric.needs}
        opened = sets[0].open
        if isinstance(opened, Sampled):
            for _ in self._gathered(sets[0], self._process(opened, needs)):
                pass

    def _process(self, opened: Sampled, needs: Collection[Need]) -> _Process:
        size = self.extractors.size(needs, self.batch)
        return _Process(opened, self.settings, self.extractors.device, frozenset(needs), size)

    def _setting(self, one: ImageSet) -> Setting:
        embedder, few_shots = self.extractors.embedder, None
        if one.few_shots is not None and any("training images" in metric.needs for metric in self._measurable(one)):
            embeddings = self.extractors.embedded(one.few_shots)
            plain = PixelEmbedder(embeddings.device)
            pixels = torch.cat([plain.embed(levels) for levels in one.few_shots.batches(plain.batch)])
            few_shots = FewShots(embeddings, pixels, one.few_shots.identity)
        return Setting(
            one.count,
            self.blocks,
            self.extractors.extractor.name,
            embedder.name,
            embedder.identity,
            few_shots,
            self._reals(one) is not one.few_shots,
            self.options,
        )

    @cached_property
    def _real_images(self) -> RealImages:
        return RealImages(self.extractors, self.batch)

    def _save_sheet(self, one: ImageSet, metric: Metric, samples: SampleImages, rows: Rows) -> None:
        others = one.few_shots if rows.other == "training images" else self._reals(one)
        if one.log is None or one.log in self.not_saved or metric.sheet is None or others is None:
            return
        above, below = to_arrays(samples.some(rows.samples)), to_arrays(others.some(rows.others))
        try:
            one.log.mkdir(parents=True, exist_ok=True)
            save_grid(one.log / metric.sheet.file, [above, below], {"task": one.title, **rows.note})
        except (OSError, FileWriteError) as error:
            self.not_saved[one.log] = str(error)

    def _measurable(self, one: ImageSet) -> list[Metric]:
        refused = {known.metric for known in self.not_measured if known.task == one.title}
        return [metric for metric in self.metrics if metric.key not in refused]

    def _reals(self, one: ImageSet) -> StoredImages | None:
        return next((known for known in (self.reals, one.reals, one.few_shots) if known is not None), None)

    def _note(self, one: ImageSet, metrics: Sequence[Metric]) -> dict[str, Any]:
        extractor, embedder, reals = self.extractors.extractor, self.extractors.embedder, self._reals(one)
        used = {"extractor": extractor.name, "extractor_sha256": extractor.identity}
        if any("embeddings" in metric.needs for metric in metrics):
            used |= {"embedder": embedder.name, "embedder_sha256": embedder.identity}
        known = {} if reals is None else {"reals": describe(reals)}
        return {**one.note, **used, **known, "side": one.resolution, "lfsgan": __version__, **machine()}

    def _append(self, one: ImageSet, measured: Measurement) -> None:
        if one.log is None or one.log in self.not_saved:
            return
        try:
            one.log.mkdir(parents=True, exist_ok=True)
            with (one.log / METRICS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(measured.to_json(), sort_keys=True) + "\n")
        except OSError as error:
            self.not_saved[one.log] = error.strerror or "unknown reason"

    @cached_property
    def not_saved(self) -> dict[Path, str]:
        """The folders in which numbers cannot be recorded, each with the reason; known before work where possible."""
        logs = dict.fromkeys(one.log for one in self.sets if one.log is not None)
        return {log: why for log in logs if (why := _why_not_writable(log))}


@dataclass
class _Process:
    """One of the processes of `Evaluation.jobs`."""

    opened: Sampled
    settings: ExtractorSettings
    device: torch.device
    needs: Collection[Need]
    size: int

    def begin(self, worker: int) -> None:
        device = shards.device_of(self.device, worker)
        self._samples = self.opened.generated(device)
        self._extractors, _ = self.settings.load(device, self.needs)

    def use(self, extractors: FeatureExtractors) -> None:
        """As `begin`, in the process that has these networks already."""
        self._samples, self._extractors = self.opened.generated(self.device), extractors

    def run(self, unit: slice) -> list[Packed]:
        part = _Part(self._samples, unit)
        return [batch.packed for batch in self._extractors.run(part, self.needs, self.size, lambda _more: None)]


@dataclass(frozen=True)
class _Part:
    """A part of a task's samples."""

    samples: GeneratedImages
    part: slice

    def __len__(self) -> int:
        return int(self.part.stop - self.part.start)

    def batches(self, size: int) -> Iterator[Tensor]:
        return self.samples.part(self.part, size)


def _why_not_writable(log: Path) -> str:
    """Why `metrics.jsonl` cannot be appended to in a folder that may still have to be made; '' if it can."""
    if (log / METRICS).is_dir():
        return f"a folder is in the place of {METRICS}"
    there = next(path for path in (log / METRICS, log, *log.absolute().parents) if path.exists())
    return "" if os.access(there, os.W_OK) else "no permission to write"


def base_value(measured: Measurement, base_run: Path) -> float | None:
    """The same number of the base itself, from the `metrics.jsonl` in its folder; None where it was not measured."""
    try:
        lines = read_lines(base_run / METRICS)
    except (LfsganError, OSError):  # damaged, or not ours to read: the number is not known
        return None
    wanted = {**measured.to_json(), "name": measured.value.name.partition(" strength=")[0]}
    same = ("name", "reals", "extractor_sha256", "side", "truncation", "noise")
    found = [line.get("value") for line in lines if all(line.get(key) == wanted.get(key) for key in same)]
    return next((float(value) for value in reversed(found) if isinstance(value, int | float)), None)
