"""Walks: closed loops through latents, or from task to task with the latents kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import Pixels, square_columns, to_arrays
from lfsgan_cli.generation.sampling import Latents, SamplingOptions, generator_of, latent, noise_maps, synthesize
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.inference import prepared
from lfsgan_cli.workspace.workspace import Workspace

Space: TypeAlias = Literal["z", "w"]
Easing: TypeAlias = Literal["linear", "smooth"]


class WalkError(LfsganError):
    """Keyframes that make no walk."""


@dataclass(frozen=True)
class Walk:
    """A closed loop of `frames` frames from each keyframe to the next.

    tasks: tasks or blends (None is the base). With one, every cell of the grid walks through its share of the items;
    with several, every cell keeps its item, and all go from task to task.
    items: seeds, or latents from a file. space: `z` interpolates on the sphere of z, `w` linearly in w.
    columns, rows: of the grid of images in a frame.
    """

    workspace: Workspace
    tasks: Sequence[str | None]
    items: Sequence[int] | Latents
    options: SamplingOptions
    frames: int
    space: Space
    easing: Easing
    columns: int
    rows: int

    def __post_init__(self) -> None:
        """WalkError where items and grid do not go together."""
        cells, items = self.columns * self.rows, len(self.items)
        if self.between_tasks and cells != items:
            raise WalkError(
                f"{items} images from task to task in a grid of {self.columns}x{self.rows}: expected as many places as "
                "images; pass another --grid, other --seeds, or leave --grid out"
            )
        if not self.between_tasks and (items % cells or items // cells < 2):
            raise WalkError(
                f"{items} keyframes in a grid of {self.columns}x{self.rows}: expected a multiple of {cells}, and "
                f"at least two for each place; pass --seeds with {2 * cells} seeds, or a smaller --grid"
            )
        if isinstance(self.items, Latents) and self.space == "z":
            raise WalkError("--space z: latents in a file are w and have no z; pass --space w")

    @property
    def between_tasks(self) -> bool:
        """Whether it goes from task to task, and not from latent to latent."""
        return len(self.tasks) > 1

    @property
    def keyframes(self) -> int:
        """How many there are in the loop."""
        return len(self.tasks) if self.between_tasks else len(self.items) // (self.columns * self.rows)

    def __len__(self) -> int:
        """The number of frames."""
        return self.keyframes * self.frames

    def images(self, device: torch.device, batch: int) -> Iterator[Pixels]:
        """The frames in order, uint8 [rows · R, columns · R, 3]; no more than one batch is in memory."""
        make = self._task_frames if self.between_tasks else self._latent_frames
        for cells in make(device, batch):
            size = cells[0].shape[0]
            frame = np.stack(cells).reshape(self.rows, self.columns, size, size, 3)
            yield np.ascontiguousarray(frame.transpose(0, 2, 1, 3, 4)).reshape(self.rows * size, self.columns * size, 3)

    def note(self) -> dict[str, Any]:
        """What repeats it, for the text of frames."""
        items = {"latents_sha256": self.items.sha256} if isinstance(self.items, Latents) else {"seed": list(self.items)}
        tasks = [self.workspace.blend(task).title if task else "base" for task in self.tasks]
        return {
            "task": tasks, **items, "frames": self.frames, "space": self.space, "easing": self.easing,
            "base": self.workspace.base.identity, **self.options.note(),
        }  # fmt: skip

    def _steps(self) -> Iterator[tuple[int, int, float]]:
        """For every frame the keyframes before and after, and how far it is from the first to the second, 0 to 1."""
        for index in range(len(self)):
            key, step = divmod(index, self.frames)
            t = step / self.frames
            yield key, (key + 1) % self.keyframes, t * t * (3 - 2 * t) if self.easing == "smooth" else t

    def _latent_frames(self, device: torch.device, batch: int) -> Iterator[list[Pixels]]:
        cells = self.columns * self.rows
        generator = self._generator(self.tasks[0], device)
        # [cells, keyframes, …]: every cell has its own loop.
        flat = self._keys(generator)
        keys = flat.view(cells, self.keyframes, *flat.shape[1:])
        noise = self._noise(generator, [cell * self.keyframes for cell in range(cells)])
        at_once, steps = max(1, batch // cells), list(self._steps())
        for first in range(0, len(steps), at_once):
            part = steps[first : first + at_once]
            points = torch.stack([self._between(keys[:, a], keys[:, b], t) for a, b, t in part]).flatten(0, 1)
            maps = noise and [layer.repeat(len(part), 1, 1, 1) if len(layer) > 1 else layer for layer in noise]
            images = self._images(generator, points, maps, batch)
            for frame in range(len(part)):
                yield images[frame * cells : (frame + 1) * cells]

    def _task_frames(self, device: torch.device, batch: int) -> Iterator[list[Pixels]]:
        blends = [dict(self.workspace.blend(task).parts) if task else {} for task in self.tasks]
        for a, b, t in self._steps():
            weights = {
                name: (1 - t) * blends[a].get(name, 0) + t * blends[b].get(name, 0) for name in blends[a] | blends[b]
            }
            text = ",".join(f"{name}={weight!r}" for name, weight in sorted(weights.items()) if weight)
            generator = self._generator(text or None, device)
            noise = self._noise(generator, range(len(self.items)))
            yield self._images(generator, self._keys(generator), noise, batch)

    def _generator(self, task: str | None, device: torch.device) -> Generator:
        if task is None:
            plain = self.workspace.base.average.to(device)
        else:
            plain = generator_of(self.workspace, task, self.options, device)
        return prepared(plain, torch.float32)

    @torch.inference_mode()
    def _keys(self, generator: Generator) -> Tensor:
        """z [N, w_dim], or w [N, L, w_dim]."""
        device = generator.w_mean.device
        if isinstance(self.items, Latents):
            return self.items.w.to(device)
        z = torch.cat([latent(np.random.RandomState(seed), generator.config) for seed in self.items]).to(device)
        return z if self.space == "z" else generator.spread(generator.mapping(z))

    def _between(self, a: Tensor, b: Tensor, t: float) -> Tensor:
        return slerp(a, b, t) if self.space == "z" else a.lerp(b, t)

    @torch.inference_mode()
    def _images(self, generator: Generator, points: Tensor, noise: list[Tensor] | None, batch: int) -> list[Pixels]:
        w = generator.mapping(points) if points.dim() == 2 else points
        ws = generator.w_mean.lerp(w, self.options.truncation)
        return [image for part in synthesize(generator, ws, noise, batch=batch) for image in to_arrays(part)]

    def _noise(self, generator: Generator, indices: Sequence[int]) -> list[Tensor] | None:
        """The noise of these items: it stays the same for a whole walk, or all images would flicker."""
        device, mode = generator.w_mean.device, self.options.noise
        if mode == "seed" and isinstance(self.items, Latents):
            found = self.items.noise
            return found and [(layer[list(indices)] if len(layer) > 1 else layer).to(device) for layer in found]
        streams = []
        if not isinstance(self.items, Latents):
            streams = [np.random.RandomState(self.items[index]) for index in indices]
            for stream in streams:
                latent(stream, generator.config)
        return noise_maps(mode, streams, generator.config, device)


def usual_grid(images: int) -> tuple[int, int]:
    """Columns and rows for so many images, about as many of each, all places filled."""
    columns = next(number for number in range(square_columns(images), 0, -1) if images % number == 0)
    return max(columns, images // columns), min(columns, images // columns)


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """From a to b along the sphere, their lengths interpolated (Shoemake, 1985). a, b: [N, D]."""
    lengths = a.norm(dim=1, keepdim=True).lerp(b.norm(dim=1, keepdim=True), t)
    a, b = torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1)
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    along: Tensor = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / sine.clamp(min=1e-6)
    # Equal directions need no turn, and opposite ones have no shortest way: a straight line serves for both.
    turned: Tensor = lengths * torch.where(sine > 1e-6, along, a.lerp(b, t))
    return turned
