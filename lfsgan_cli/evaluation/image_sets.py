"""Sets of images to measure: a task's samples, the base's, or images that any program made."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.features import Images
from lfsgan_cli.generation.output import check_folder, check_ours, save, to_arrays
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of, sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.dataset import check as check_all
from lfsgan_cli.images.decode import decode
from lfsgan_cli.images.formats import BadImageError
from lfsgan_cli.images.framing import DEFAULT_FRAMING, Framing
from lfsgan_cli.images.listing import Use
from lfsgan_cli.images.source import open_source
from lfsgan_cli.images.summary import ImageSummary, Size
from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.base_file import read_summary
from lfsgan_cli.workspace.paths import FEW_SHOTS, RESERVED, task_names, task_path
from lfsgan_cli.workspace.workspace import Workspace

Item = TypeVar("Item")

SHOWN = 4  # sizes that a message names
CROPPED = "centre crop, Lanczos to the drawn pictures' side"  # in records of the default framing


class NoTaskError(LfsganError):
    """Nothing to measure."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"no task has been learned in {str(root)!r}; `lfsgan learn-task --images DIR --name NAME` learns one"
        )


class MixedSizesError(LfsganError):
    """Images of several sizes where numbers need one."""

    def __init__(self, path: Path, sizes: Counter[Size]) -> None:
        listed = ", ".join(f"{count:,} of {width}×{height}" for (width, height), count in sizes.most_common(SHOWN))
        more = f" and {len(sizes) - SHOWN:,} more" if len(sizes) > SHOWN else ""
        super().__init__(
            f"the images in {str(path)!r} have {len(sizes)} sizes: {listed}{more}; expected one size: "
            "remove the others, or pass --side N to resize all of them to N×N pixels"
        )


class SampleImages(Images, Protocol):
    """Images of which some may be had again."""

    def some(self, indices: Sequence[int]) -> Tensor:
        """Those at `indices`: uint8 [len(indices), 3, R, R]."""


@dataclass(frozen=True)
class ImageSet:
    """One set to be measured.

    open: opens the set when its turn comes, so that one network is in memory at a time; neighbours with the same `open`
    are one set in several comparisons, which is sampled once. count: of its images, of side `resolution`. few_shots:
    what it was learned from, if known. note: what repeats the set. log: the folder of its `metrics.jsonl`. reals: what
    this set is compared with, unless all sets are compared with the same. is_base: it was not learned from few shots.
    suffix: what names of its numbers end in, so that none is mistaken for that of the task as it was learned. summary:
    of the files of images that another program made. framing: of the images that it was trained on, so that real images
    that are not square are compared as training saw them.
    """

    title: str
    open: Callable[[], SampleImages]
    count: int
    resolution: int
    few_shots: StoredImages | None
    note: Mapping[str, Any]
    log: Path | None
    is_base: bool = False
    reals: StoredImages | None = None
    suffix: str = ""
    summary: ImageSummary | None = None
    framing: Framing = DEFAULT_FRAMING


def compared_with(sets: Sequence[ImageSet], path: Path) -> list[ImageSet]:
    """The sets with the images at `path` as their real ones, each in the framing that the set was trained with."""
    reals = {one.framing: stored_images(path, one.resolution, framing=one.framing) for one in sets}
    return [replace(one, reals=reals[one.framing]) for one in sets]


@dataclass(frozen=True, eq=False)
class Sampled:
    """Opens the samples of a task, a blend, or the base with None; may be sent to another process."""

    workspace: Workspace
    task: str | None
    style: SamplingOptions
    device: torch.device
    count: int
    folder: Path | None
    note: Mapping[str, Any]

    def __call__(self) -> SampleImages:
        """All of them, written to the folder as they are generated, if there is one."""
        samples = self.generated(self.device)
        return samples if self.folder is None else SavedImages(samples, self.folder, self.note)

    def generated(self, device: torch.device) -> GeneratedImages:
        """All of them, on another device, and not written."""
        if self.task is None:
            generator = self.workspace.base.average.to(device)
        else:
            generator = generator_of(self.workspace, self.task, self.style, device)
        return GeneratedImages(generator, range(self.count), self.style)


@dataclass(frozen=True)
class WorkspaceSets:
    """The sets of a workspace. save: the folder that keeps samples, if any; few_shots: in place of the tasks' own."""

    workspace: Workspace
    count: int
    style: SamplingOptions
    device: torch.device
    few_shots: Path | None = None
    save: Path | None = None

    def chosen(self, names: Sequence[str], *, with_base: bool) -> list[ImageSet]:
        """The base if wanted, and each of the tasks once; all tasks if `names` is empty. NoTaskError if none is."""
        root, tasks = self.workspace.root, list(dict.fromkeys(names))
        if not tasks and (root.is_dir() or not with_base):  # the embedded base can be measured without a workspace
            tasks = task_names(root)
        if not tasks and not with_base:
            raise NoTaskError(root)
        return [*([self.base()] if with_base else []), *map(self.task, tasks)]

    def task(self, name: str) -> ImageSet:
        """A learned task or a blend. Raises what reading it raises, and where `save` has files of others in the way."""
        blend, root = self.workspace.blend(name), self.workspace.root
        hashes = {
            task: safetensors.read_header(task_path(root, task)).metadata["modelspec.hash_sha256"].removeprefix("0x")
            for task, _ in blend.parts
        }
        folder = self.workspace.task_run(blend.task) if blend.task else None
        use: Use = "reference" if self.few_shots else "own"
        learned_from = self.few_shots or (folder / FEW_SHOTS if folder else None)
        known = learned_from is not None and learned_from.exists()
        parts = [Framing.taken_from(self.workspace.info(task).training)[0] for task, _ in blend.parts]
        framing = parts[0] if len(set(parts)) == 1 else DEFAULT_FRAMING
        few_shots = stored_images(learned_from, self.resolution, use, framing) if learned_from and known else None
        suffix = "" if self.style.strength == 1 else f" strength={self.style.note()['strength']}"

        content = hashes[blend.task] if blend.task else hashes
        found = self._set(blend.title, name, self.style, few_shots, content, folder)
        return replace(found, suffix=suffix, framing=framing)

    def base(self) -> ImageSet:
        """The base itself."""
        path = self.workspace.base_path
        framing = Framing.taken_from(read_summary(path).training if path.exists() else {})[0]
        few_shots = stored_images(self.few_shots, self.resolution, framing=framing) if self.few_shots else None
        log = self.workspace.base_run if self.workspace.root.is_dir() else None
        found = self._set(RESERVED, None, self.style.of_base, few_shots, None, log)
        return replace(found, is_base=True, framing=framing)

    @property
    def resolution(self) -> int:
        """The side of all samples."""
        return self.workspace.base.average.config.resolution

    def _set(
        self,
        title: str,
        task: str | None,
        style: SamplingOptions,
        few_shots: StoredImages | None,
        content: str | dict[str, str] | None,
        log: Path | None,
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

        save_to = None if self.save is None else self.save / title
        opened = Sampled(self.workspace, task, style, self.device, self.count, save_to, {"task": title, **note})
        return ImageSet(title, opened, self.count, self.resolution, few_shots, note, log)


def foreign(
    path: Path,
    few_shots: Path | None = None,
    side: int | None = None,
    check: Callable[[ImageDataset], ImageSummary] = check_all,
) -> ImageSet:
    """Images of any program, in a folder or zip file.

    side: they are resized to it; None is their own, which must be the same for all. check: looks at all of them.

    Raises:
        LfsganError: as `open_source`, and for images that cannot be used.
        MixedSizesError: several sizes, and no `side`.
    """
    source = open_source(path, "generated")
    try:
        own = min(decode(source.read(0)).image.size)
    except BadImageError:
        own = 1  # `check` names this image and all others that cannot be used
    dataset = ImageDataset(source, side or own)
    summary = check(dataset)
    sizes = Counter(found.size for found in summary.findings)
    if side is None and len(sizes) > 1:
        raise MixedSizesError(path, sizes)
    images = StoredImages(dataset)
    note = {"fakes": describe(images), "seeds": None, "base": None, "task_sha256": None}
    known = stored_images(few_shots, dataset.resolution) if few_shots else None
    return ImageSet(path.stem, lambda: images, len(images), dataset.resolution, known, note, None, summary=summary)


def stored_images(
    path: Path, resolution: int, use: Use = "reference", framing: Framing = DEFAULT_FRAMING
) -> StoredImages:
    """The images at `path`; raises as `open_source` does."""
    return StoredImages(ImageDataset(open_source(path, use), resolution, framing))


def describe(images: StoredImages) -> dict[str, Any]:
    """What identifies a set in records."""
    name = images.dataset.source.path.name
    return {"name": name, "count": len(images), "sha256": images.identity, "resize": images.resize}


@dataclass(frozen=True)
class GeneratedImages:
    """Samples of a network."""

    generator: Generator
    seeds: Sequence[int]
    style: SamplingOptions

    def __len__(self) -> int:
        return len(self.seeds)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Generated as they are asked for."""
        return self._generate(self.seeds, size)

    def some(self, indices: Sequence[int]) -> Tensor:
        """Generated again."""
        return torch.cat(list(self._generate([self.seeds[index] for index in indices], len(indices))))

    def part(self, part: slice, size: int) -> Iterator[Tensor]:
        """Some of them, in batches."""
        return self._generate(self.seeds[part], size)

    def _generate(self, seeds: Sequence[int], size: int) -> Iterator[Tensor]:
        style = self.style
        return sample(self.generator, seeds, truncation=style.truncation, noise=style.noise, batch=size)


@dataclass(frozen=True)
class StoredImages:
    """The images in a folder or zip file, at one resolution."""

    dataset: ImageDataset

    def __len__(self) -> int:
        return len(self.dataset)

    def batches(self, size: int) -> Iterator[Tensor]:
        """Decoded as they are asked for."""
        for first in range(0, len(self), size):
            yield self.some(range(first, min(first + size, len(self))))

    def some(self, indices: Sequence[int]) -> Tensor:
        """Decoded again."""
        return torch.from_numpy(np.stack([self.dataset[index] for index in indices])).permute(0, 3, 1, 2)

    @property
    def resize(self) -> str:
        """How files become images of one size, for records."""
        framing = self.dataset.framing
        if framing == DEFAULT_FRAMING:
            return CROPPED
        return f"{' '.join(framing.changes().values())}, Lanczos to the side of the generated images"

    @cached_property
    def identity(self) -> str:
        """SHA-256 (hex) over the bytes of all files in order; neither names nor the way they are packed count."""
        source = self.dataset.source
        digest = hashlib.sha256(f"{len(source.names)}\n".encode())
        for index in range(len(source.names)):
            digest.update(hashlib.sha256(source.read(index)).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class SavedImages:
    """Samples that are written to a folder as they are generated: `seed0000.png` and so on."""

    samples: GeneratedImages
    folder: Path
    note: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.samples)

    def batches(self, size: int) -> Iterator[Tensor]:
        """The samples, each written before it is handed on."""
        return self.written(self.samples.batches(size), lambda batch: batch)

    def written(self, batches: Iterable[Item], images: Callable[[Item], Tensor]) -> Iterator[Item]:
        """All batches in order, whose images are written before each is handed on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seeds = iter(self.samples.seeds)
        for batch in batches:
            for image, seed in zip(to_arrays(images(batch)), seeds, strict=False):
                save(self.folder / f"seed{seed:04}.png", image, {**self.note, "seed": seed})
            yield batch

    def some(self, indices: Sequence[int]) -> Tensor:
        """Generated again, not written."""
        return self.samples.some(indices)
