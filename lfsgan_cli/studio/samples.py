"""Images for the page, exactly as the commands make them, from a base and tasks that stay in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lfsgan_cli.generation.output import Pixels, encode, grid, near_square, to_arrays
from lfsgan_cli.generation.sampling import Latents, SamplingOptions, generator_of, sample, synthesize, usual_batch
from lfsgan_cli.images.formats import THUMBNAIL
from lfsgan_cli.io.files import FileWriteError, write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.inference import prepared
from lfsgan_cli.studio.folder import THUMBS, Stamp, stamp
from lfsgan_cli.system.device import pick
from lfsgan_cli.training.perceptual import DomainGap
from lfsgan_cli.workspace.blend import parse_blend
from lfsgan_cli.workspace.paths import task_path
from lfsgan_cli.workspace.task_file import TaskFile
from lfsgan_cli.workspace.workspace import Workspace, workspace_at

CACHE_BYTES = 512 << 20  # of generators that are ready to sample
COPIES = 5  # a generator's weights in memory, those that are prepared for inference counted
TASK_FILES = 16  # in memory
THUMB_SEEDS = range(4)


class Loaded(Workspace):
    """A workspace that reads a task's file once for as long as it stays the same; of the base, `Samples` knows."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._files: OrderedDict[tuple[str, Stamp], TaskFile] = OrderedDict()

    def task_file(self, name: str) -> TaskFile:
        """See `Workspace`."""
        key = (name, stamp(task_path(self.root, name)))
        if key not in self._files:
            self._files[key] = super().task_file(name)
        self._files.move_to_end(key)
        while len(self._files) > TASK_FILES:
            self._files.popitem(last=False)
        return self._files[key]


class Samples:
    """Used by one thread. check: raises once nobody waits for the images; called between two batches."""

    def __init__(self, root: Path, device: str, check: Callable[[], None]) -> None:
        self.root, self.check = root, check
        self._device = device
        self._place: Loaded | None = None
        self._base: Stamp = None
        self._generators: OrderedDict[Any, Generator] = OrderedDict()
        self._gap: DomainGap | None = None

    @cached_property
    def device(self) -> torch.device:
        """The device that images are sampled on; DeviceError."""
        return pick(self._device)

    @property
    def place(self) -> Workspace:
        """The workspace, with its base loaded once for as long as its file stays the same; WorkspaceFileError."""
        place = self._place or Loaded(workspace_at(self.root).root)
        now = stamp(place.base_path)
        if self._place is None or now != self._base:
            self._place, self._base = Loaded(self.root), now
            self._generators.clear()
            self._gap = None
        return self._place

    def images(self, task: str | None, seeds: Sequence[int], options: SamplingOptions | None = None) -> list[Pixels]:
        """Samples of a task or blend, or of the base with None; raises as `Workspace.generator`."""
        how = options or SamplingOptions(1.0, "seed")
        generator = self.generator(task, how)
        found: list[Pixels] = []
        for images in sample(
            generator, seeds, truncation=how.truncation, noise=how.noise,
            batch=usual_batch(generator.config, self.device),
        ):  # fmt: skip
            found += to_arrays(images)
            self.check()
        return found

    def of_latents(self, task: str | None, latents: Latents) -> list[Pixels]:
        """The images of latents in a task, or in the base with None, with the noise that was found with them."""
        generator = self.generator(task, SamplingOptions(1.0, "seed"))
        return [image for part in synthesize(generator, latents.w, latents.noise) for image in to_arrays(part)]

    def generator(self, task: str | None, options: SamplingOptions) -> Generator:
        """The generator of a task or blend, or of the base with None, prepared for inference; as `images` raises."""
        place = self.place
        parts = parse_blend(task).parts if task is not None else ()
        stamps = tuple((name, stamp(task_path(self.root, name))) for name, _ in parts)
        key = (task, str(options.strength), options.truncation != 1, stamps)
        if key not in self._generators:
            device = self.device
            plain = place.base.average.to(device) if task is None else generator_of(place, task, options, device)
            self._generators[key] = prepared(plain, torch.float32)
        self._generators.move_to_end(key)
        size = 4 * COPIES * sum(parameter.numel() for parameter in self._generators[key].parameters())
        while len(self._generators) > max(1, CACHE_BYTES // max(1, size)):
            self._generators.popitem(last=False)
        return self._generators[key]

    def far_from_base(self, images: NDArray[np.uint8]) -> str | None:
        """The warning that `learn-task` gives of training images, uint8 [K, R, R, 3], far from what the base draws."""
        base = self.place.base
        self._gap = self._gap or DomainGap(base.average.to(self.device))
        return self._gap.warning(images, base.name)

    def thumbnail(self, task: str) -> bytes:
        """Four samples of a task as one PNG, stored in the page's folder if that can be written."""
        known = f"{task}\n{stamp(task_path(self.root, task))}\n{stamp(self.place.base_path)}"
        path = self.root / THUMBS / f"{hashlib.sha256(known.encode()).hexdigest()[:32]}.png"
        with suppress(OSError):
            return path.read_bytes()
        found = encode(grid(near_square(self.images(task, THUMB_SEEDS)), gap=0), {}, THUMBNAIL)
        with suppress(FileWriteError, OSError):  # a workspace that can only be read
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, found)
        return found
