"""What can be measured: a task's drawings, the base's, or pictures that another program made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.contact_sheet import check_folder, check_ours, save, to_arrays
from lfsgan_cli.generation.generate import BASE
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of, sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.decode import decode
from lfsgan_cli.images.formats import BadImage, BadPictureError, BadPicturesError
from lfsgan_cli.images.source import Source, open_source
from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.paths import FEW_SHOTS, task_path
from lfsgan_cli.workspace.workspace import Workspace


class NoTaskError(LfsganError):
    """Nothing to measure."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"no task has been learned in {str(root)!r}; `lfsgan learn-task --images DIR --name NAME` learns one"
        )


@dataclass(frozen=True)
class ImageSet:
    """One set to be measured.

    open: gives the set when its turn comes, so that one network is in memory at a time; neighbours with the same one
    are different sides of one set, which is looked at once. count: of its pictures, of side `resolution`. shots: what
    it was learned from, where that is known; shotless: it was learned from none. note: what repeats the set. log: the
    folder of its `metrics.jsonl`. reals: what this one is compared with, unless all are compared with the same.
    way: what every name of its numbers ends in, so that none is taken for that of the task as it was learned.
    """

    title: str
    open: Callable[[], Pictures]
    count: int
    resolution: int
    shots: Found | None
    note: Mapping[str, Any]
    log: Path | None
    shotless: bool = False
    reals: Found | None = None
    way: str = ""


@dataclass(frozen=True)
class WorkspaceSets:
    """Draws the subjects of a workspace. save: the folder that keeps what is drawn, if any; shots: in place of all."""

    workspace: Workspace
    count: int
    style: SamplingOptions
    device: torch.device
    shots: Path | None = None
    save: Path | None = None

    def task(self, name: str) -> ImageSet:
        """A learned task. Raises what reading it raises, and where `save` has files of others in the way."""
        self.workspace.info(name)
        content = safetensors.read_header(task_path(self.workspace.root, name)).metadata["modelspec.hash_sha256"]
        folder = self.workspace.task_run(name)
        learned_from = self.shots or folder / FEW_SHOTS
        shots = found(learned_from, self.resolution) if learned_from.exists() else None
        way = "" if self.style.strength == 1 else f" strength={self.style.strength:g}"

        def network() -> Generator:
            return generator_of(self.workspace, name, self.style, self.device)

        return replace(self._subject(name, network, self.style, shots, content, folder), way=way)

    def base(self) -> ImageSet:
        """The base itself."""
        shots = found(self.shots, self.resolution) if self.shots else None
        average = self.workspace.base.average
        style, run = self.style.of_base, self.workspace.base_run
        return replace(self._subject(BASE, lambda: average.to(self.device), style, shots, None, run), shotless=True)

    @property
    def resolution(self) -> int:
        """The side of all that is drawn."""
        return self.workspace.base.average.config.resolution

    def _subject(
        self,
        title: str,
        network: Callable[[], Generator],
        style: SamplingOptions,
        shots: Found | None,
        content: str | None,
        log: Path,
    ) -> ImageSet:
        note = {
            "seeds": f"0-{self.count - 1}",
            **style.note(),
            "base": self.workspace.base.identity,
            "task_sha256": content,
            "device": str(self.device),
        }
        if self.save is not None:
            check_folder(self.save / title)
            check_ours([self.save / title / f"seed{seed:04}.png" for seed in range(self.count)])

        def open_drawn() -> Pictures:
            drawn = Drawn(network(), range(self.count), style)
            return drawn if self.save is None else Saved(drawn, self.save / title, {"task": title, **note})

        return ImageSet(title, open_drawn, self.count, self.resolution, shots, note, log)


def foreign(path: Path, shots: Path | None) -> ImageSet:
    """Pictures of any program, in a folder or zip file; measured at the side of the first one."""
    source = open_source(path)
    side = _side(source)
    pictures = Found(ImageDataset(source, side))
    note = {"fakes": describe(pictures), "seeds": None, "base": None, "task_sha256": None}
    known = found(shots, side) if shots else None
    return ImageSet(path.stem, lambda: pictures, len(pictures), side, known, note, None)


def _side(source: Source) -> int:
    try:
        return min(decode(source.read(0)).picture.size)
    except BadPictureError as error:
        raise BadPicturesError(source.path, [BadImage(source.names[0], error.reason)]) from error


def found(path: Path, resolution: int) -> Found:
    """The pictures at `path`; raises as `open_source` does."""
    return Found(ImageDataset(open_source(path), resolution))


def describe(pictures: Found) -> dict[str, Any]:
    """What tells a found set from others."""
    name = pictures.pictures.source.path.name
    return {"name": name, "count": len(pictures), "sha256": pictures.identity, "resize": RESIZE}


# Sets of pictures as metrics take them: drawn by a network, or found in a folder or zip file.


RESIZE = "centre crop, Lanczos to the drawn pictures' side"


class Pictures(Protocol):
    """A set in a fixed order."""

    def __len__(self) -> int:
        """How many there are."""

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in order: uint8 [up to `size`, 3, R, R] each, on the CPU."""

    def some(self, indices: Sequence[int]) -> Tensor:
        """Those at `indices`: uint8 [len(indices), 3, R, R]."""


@dataclass(frozen=True)
class Drawn:
    """What a network draws from `seeds`."""

    generator: Generator
    seeds: Sequence[int]
    style: SamplingOptions

    def __len__(self) -> int:
        return len(self.seeds)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Drawn as they are asked for."""
        return self._draw(self.seeds, size)

    def some(self, indices: Sequence[int]) -> Tensor:
        """Drawn again."""
        return torch.cat(list(self._draw([self.seeds[index] for index in indices], len(indices))))

    def _draw(self, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        style = self.style
        return sample(self.generator, seeds, truncation=style.truncation, noise=style.noise, batch=size)


@dataclass(frozen=True)
class Found:
    """What lies in a folder or zip file, at one resolution."""

    pictures: ImageDataset

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Decoded as they are asked for."""
        for first in range(0, len(self), size):
            yield self.some(range(first, min(first + size, len(self))))

    def some(self, indices: Sequence[int]) -> Tensor:
        """Decoded again."""
        return torch.from_numpy(np.stack([self.pictures[index] for index in indices])).permute(0, 3, 1, 2)

    @cached_property
    def identity(self) -> str:
        """SHA-256 (hex) over the bytes of all files in order; neither names nor the way they are packed count."""
        source = self.pictures.source
        digest = hashlib.sha256(f"{len(source.names)}\n".encode())
        for index in range(len(source.names)):
            digest.update(hashlib.sha256(source.read(index)).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Saved:
    """A drawn set that leaves every picture in a folder as it goes by: `seed0000.png` and so on."""

    drawn: Drawn
    folder: Path
    note: dict[str, object]

    def __len__(self) -> int:
        return len(self.drawn)

    def batches(self, size: int) -> Iterator[Tensor]:
        """The drawn ones, written before they are handed on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seeds = iter(self.drawn.seeds)
        for batch in self.drawn.batches(size):
            for picture, seed in zip(to_arrays(batch), seeds, strict=False):
                save(self.folder / f"seed{seed:04}.png", picture, {**self.note, "seed": seed})
            yield batch

    def some(self, indices: Sequence[int]) -> Tensor:
        """Drawn again, not written."""
        return self.drawn.some(indices)
