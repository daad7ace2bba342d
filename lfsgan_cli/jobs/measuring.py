"""Measuring tasks: pictures drawn and looked at without going through disk, every number noted with how it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli import __version__, tensorfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.drawing import Style
from lfsgan_cli.jobs.runfolder import machine
from lfsgan_cli.metrics.counts import fid_warnings, label
from lfsgan_cli.metrics.features import Extractor
from lfsgan_cli.metrics.frechet import Statistics, distance, statistics
from lfsgan_cli.pictures.dataset import PictureSet
from lfsgan_cli.pictures.source import Source, open_source
from lfsgan_cli.sampling import draw
from lfsgan_cli.taskfolder import task_path
from lfsgan_cli.workspace import Workspace

RESIZE = "centre crop, Lanczos to the network's resolution"


class NoTaskError(LfsganError):
    """Nothing to measure."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"no task has been learned in {str(root)!r}; `lfsgan learn-task --images DIR --name NAME` learns one"
        )


class NoShotsError(LfsganError):
    """A task whose file came alone."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the few shots that task {name!r} was learned from are not in this workspace; "
            "give the pictures to compare with by --reals"
        )


@dataclass(frozen=True)
class Reals:
    """Real pictures as a metric sees them: name and identity (SHA-256 of the pixels) of the set, and its statistics."""

    name: str
    identity: str
    count: int
    statistics: Statistics


@dataclass(frozen=True)
class Measurement:
    """One number. name: with extractor and counts; warnings: what must be known of it; note: how to repeat it."""

    task: str
    name: str
    value: float
    warnings: Sequence[str]
    note: dict[str, Any]


@dataclass(frozen=True)
class Measuring:
    """What is to be measured. names: tasks; None is the base. reals: None takes each task's own few shots."""

    workspace: Workspace
    names: Sequence[str | None]
    reals: Path | None
    count: int
    style: Style
    extractor: Extractor
    device: torch.device
    batch: int

    def check(self) -> None:
        """Raise a one-line error where a task cannot be read, or has nothing to be compared with."""
        for name in self.names:
            if name is not None:
                self.workspace.info(name)
            self._source(name)

    def sources(self) -> list[Source]:
        """Where the real pictures are."""
        return [open_source(path) for path in dict.fromkeys(map(self._source, self.names))]

    def fid(self, seen: Callable[[int], None]) -> Iterator[Measurement]:
        """The Fréchet distance of every task; each is noted in the task's `metrics.jsonl`. seen: pictures looked at."""
        known: dict[Path, Reals] = {}
        for name in self.names:
            source = self._source(name)
            reals = known[source] if source in known else self._look_at(source, seen)
            known[source] = reals
            measured = self._measure(name, reals, seen)
            self._append(measured)
            yield measured

    def _measure(self, name: str | None, reals: Reals, seen: Callable[[int], None]) -> Measurement:
        value = distance(self._drawn(name, seen), reals.statistics)
        warnings = fid_warnings(n=self.count, reals=reals.count, dim=self.extractor.dim)
        title = label("fid", self.extractor.name, n=self.count, reals=reals.count)
        return Measurement(name or "base", title, value, warnings, self._note(name, reals))

    def _drawn(self, name: str | None, seen: Callable[[int], None]) -> Statistics:
        where, style, seeds = self.device, self.style, range(self.count)
        generator = self.workspace.generator(name, where) if name else self.workspace.base.average.to(where)
        features = []
        for pictures in draw(generator, seeds, truncation=style.truncation, noise=style.noise, batch=self.batch):
            features.append(self.extractor(pictures).cpu())
            seen(len(pictures))
        return statistics(torch.cat(features))

    def _look_at(self, path: Path, seen: Callable[[int], None]) -> Reals:
        resolution = self.workspace.base.average.config.resolution
        pictures = PictureSet(open_source(path), resolution)
        digest, features = hashlib.sha256(f"{len(pictures)}x{resolution}\n".encode()), []
        for batch in _batches(pictures, self.batch):
            digest.update(batch.numpy().tobytes())
            features.append(self.extractor(batch.permute(0, 3, 1, 2)).cpu())
            seen(len(batch))
        return Reals(path.name, digest.hexdigest(), len(pictures), statistics(torch.cat(features)))

    def pictures(self) -> int:
        """How many pictures will be looked at."""
        return len(self.names) * self.count + sum(len(source.names) for source in self.sources())

    def _source(self, name: str | None) -> Path:
        if self.reals is not None:
            return self.reals
        shots = self.workspace.task_run(name or "") / "few_shots"
        if not shots.is_dir():
            raise NoShotsError(name or "")
        return shots

    def _note(self, name: str | None, reals: Reals) -> dict[str, Any]:
        base = self.workspace.base
        return {
            "seeds": f"0-{self.count - 1}",
            "truncation": self.style.truncation,
            "noise": self.style.noise,
            "extractor": self.extractor.name,
            "extractor_sha256": self.extractor.identity,
            "reals": {"name": reals.name, "count": reals.count, "sha256": reals.identity, "resize": RESIZE},
            "base": base.identity,
            "task_sha256": None if name is None else self._task_hash(name),
            "device": str(self.device),
            "lfsgan": __version__,
            **machine(),
        }

    def _task_hash(self, name: str) -> str:
        return tensorfile.read_header(task_path(self.workspace.root, name)).metadata["modelspec.hash_sha256"]

    def _append(self, measured: Measurement) -> None:
        base = measured.note["task_sha256"] is None
        folder = self.workspace.base_run if base else self.workspace.task_run(measured.task)
        folder.mkdir(parents=True, exist_ok=True)
        line = {"metric": "fid", "task": measured.task, "name": measured.name, "value": measured.value, **measured.note}
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, sort_keys=True) + "\n")


def _batches(pictures: PictureSet, size: int) -> Iterator[Tensor]:
    for first in range(0, len(pictures), size):
        indices = range(first, min(first + size, len(pictures)))
        yield torch.from_numpy(np.stack([pictures[index] for index in indices]))
