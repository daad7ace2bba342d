"""Measuring sets of pictures: each is looked at once, and every number is noted with how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from torch import Tensor

from lfsgan_cli import __version__
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import (
    Accumulator,
    Around,
    Distances,
    FeatureExtractors,
    Features,
    Seen,
    accumulate,
    embedded,
    features,
)
from lfsgan_cli.evaluation.image_sets import Found, ImageSet, Pictures, describe
from lfsgan_cli.evaluation.metrics.memorization import Pixels, closest, memorization
from lfsgan_cli.evaluation.metrics.perceptual import pairwise
from lfsgan_cli.evaluation.registry import (
    COMPARISONS,
    EmbeddedImages,
    RealSide,
    RealSides,
    Value,
    diversity_values,
    memorization_values,
    require_diversity,
)
from lfsgan_cli.generation.contact_sheet import save_grid, to_arrays
from lfsgan_cli.system.machine import machine
from lfsgan_cli.workspace.paths import METRICS

CLOSEST = 12  # pairs on the sheet
SHEET = "closest_pairs.png"


class NoShotsError(LfsganError):
    """A set whose few shots are needed, and not known."""

    def __init__(self, title: str, instead: str) -> None:
        super().__init__(f"the few shots that {title!r} was learned from are not at hand; give {instead}")


@dataclass(frozen=True)
class Wanted:
    """Which metrics. comparisons: keys of COMPARISONS. blocks: disjoint runs of pictures, for a spread; 1 is none."""

    comparisons: Sequence[str]
    diversity: bool = False
    memorization: bool = False
    blocks: int = 1

    @property
    def perceptual(self) -> bool:
        """Whether pictures are compared with the shots one by one."""
        return self.diversity or self.memorization

    @property
    def against_reals(self) -> bool:
        """Whether the real pictures are looked at."""
        return bool(self.comparisons) or self.memorization


@dataclass(frozen=True)
class Measurement:
    """One number of one subject. note: what repeats it."""

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
class _Near:
    """What is gathered of one set around one domain's shots. around: None where variety is not asked for."""

    shots: EmbeddedImages
    distances: Distances
    around: Around | None

    @property
    def watchers(self) -> list[Accumulator]:
        return [self.distances] if self.around is None else [self.distances, self.around]


@dataclass(frozen=True)
class Measuring:
    """What is to be measured. reals: for all subjects; None takes each one's own, or else its few shots."""

    subjects: Sequence[ImageSet]
    reals: Found | None
    wanted: Wanted
    eye: FeatureExtractors
    batch: int

    def check(self) -> None:
        """NoShotsError where a subject has nothing to be compared with; LfsganError where it has too few pictures."""
        for subject in self.subjects:
            if subject.shots is None and subject.reals is None and self.reals is None:
                raise NoShotsError(subject.title, "the pictures to compare with by --reals, or the shots by --shots")
            if subject.shots is None and self.wanted.perceptual and not (subject.shotless and self.wanted.comparisons):
                raise NoShotsError(subject.title, "them by --shots")
            self._check_counts(subject)

    def _check_counts(self, subject: ImageSet) -> None:
        blocks = self.wanted.blocks
        for name in self.wanted.comparisons:
            COMPARISONS[name].require(subject.count, len(self._reals(subject)), blocks)
        if self.wanted.diversity and subject.shots is not None:
            require_diversity(subject.count, blocks)

    def pictures(self) -> int:
        """How many pictures will be looked at, if none of the real ones was before."""
        drawn = sum({subject.open: subject.count for subject in self.subjects}.values())
        if not self.wanted.against_reals:
            return drawn
        return drawn + sum({found.identity: len(found) for found in map(self._reals, self.subjects)}.values())

    def run(self, seen: Seen) -> Iterator[Measurement]:
        """Every number; those of a subject are noted in its `metrics.jsonl`. seen: told of pictures looked at."""
        for _, same in groupby(self.subjects, key=lambda subject: subject.open):
            yield from self._measured(list(same), seen)

    def _measured(self, subjects: Sequence[ImageSet], seen: Seen) -> Iterator[Measurement]:
        """That of subjects which are one set: it is drawn and looked at once."""
        pictures, near = subjects[0].open(), list(map(self._near, subjects))
        watchers = [watcher for one in near if one is not None for watcher in one.watchers]
        found = self._look(pictures, watchers, seen)
        for subject, one in zip(subjects, near, strict=True):
            note = self._note(subject, self._reals(subject))
            for value in self._values(subject, pictures, found, one, seen):
                named = replace(value, name=value.name + subject.way)
                measured = Measurement(subject.title, named, note)
                _append(subject.log, measured)
                yield measured

    def _reals(self, subject: ImageSet) -> Found:
        for known in (self.reals, subject.reals, subject.shots):
            if known is not None:
                return known
        raise NoShotsError(subject.title, "them by --shots")  # which `check` has found before

    def _look(self, pictures: Pictures, watchers: Sequence[Accumulator], seen: Seen) -> Tensor:
        """The features of all pictures, [N, D]."""
        if not watchers:
            return features(self.eye.extractor, pictures, self.batch, seen)
        found = Features()
        accumulate(self.eye, pictures, [found, *watchers], self.batch, seen)
        return found.result()

    def _values(
        self, subject: ImageSet, pictures: Pictures, found: Tensor, near: _Near | None, seen: Seen
    ) -> Iterator[Value]:
        side = partial(self._side, subject, near.shots if near else None, seen)
        yield from self._compared(found, side)
        if near is None:
            return
        if near.around is not None:
            yield from diversity_values(near.around.result(), self.eye.judge.name)
        if self.wanted.memorization:
            yield from self._copies(near.distances, side(), near.shots)
            self._save_closest(subject, pictures, near.distances.result()[0])

    def _compared(self, found: Tensor, side: Callable[[], RealSide]) -> Iterator[Value]:
        """side: asked only where something is compared, so that real pictures are not looked at for nothing."""
        for name in self.wanted.comparisons:
            yield from COMPARISONS[name].values(found, side(), self.eye.extractor.name, self.wanted.blocks)

    def _copies(self, distances: Distances, side: RealSide, shots: EmbeddedImages) -> Iterator[Value]:
        """Near copies by two judges: a network sees them in spite of a shift, plain pixels in spite of grain."""
        seen, exact = distances.result()
        judged = memorization(seen, pairwise(shots.embeddings, shots.embeddings).cpu(), side.to_shots)
        yield from memorization_values(judged, len(seen), f"lpips-{self.eye.judge.name}")
        judged = memorization(exact, pairwise(shots.pixels, shots.pixels).cpu(), side.pixels)
        yield from memorization_values(judged, len(exact), Pixels.name)

    def _near(self, subject: ImageSet) -> _Near | None:
        if not self.wanted.perceptual or subject.shots is None:
            return None
        seen, blocks = embedded(self.eye.judge, subject.shots), self.wanted.blocks
        shots = EmbeddedImages(seen, embedded(Pixels(seen.device), subject.shots), subject.shots.identity)
        around = Around(seen, blocks, subject.count // blocks) if self.wanted.diversity else None
        return _Near(shots, Distances(shots.embeddings, shots.pixels), around)

    def _side(self, subject: ImageSet, shots: EmbeddedImages | None, seen: Seen) -> RealSide:
        reals = self._reals(subject)
        held_out = self.wanted.memorization and reals is not subject.shots
        return self._sides.of(reals, shots if held_out else None, seen)

    @cached_property
    def _sides(self) -> RealSides:
        return RealSides(self.eye, self.batch)

    def _save_closest(self, subject: ImageSet, pictures: Pictures, to_shots: Tensor) -> None:
        if subject.log is None or subject.shots is None:
            return
        pairs = closest(to_shots, CLOSEST)
        drawn = to_arrays(pictures.some([pair.picture for pair in pairs]))
        shots = to_arrays(subject.shots.some([pair.shot for pair in pairs]))
        note = {"task": subject.title, "rows": ["drawn", "nearest shot"], "pairs": [list(pair) for pair in pairs]}
        subject.log.mkdir(parents=True, exist_ok=True)
        save_grid(subject.log / SHEET, [drawn, shots], note)

    def _note(self, subject: ImageSet, reals: Found) -> dict[str, Any]:
        eye = self.eye
        looked = {"extractor": eye.extractor.name, "extractor_sha256": eye.extractor.identity}
        if self.wanted.perceptual:
            looked |= {"judge": eye.judge.name, "judge_sha256": eye.judge.identity}
        versions = {"lfsgan": __version__, **machine()}
        return {**subject.note, **looked, "reals": describe(reals), **versions}


def _append(folder: Path | None, measured: Measurement) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(measured.to_json(), sort_keys=True) + "\n")
