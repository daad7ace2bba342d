"""Style mixing (Karras et al., 2019): each image takes some layers of w from one seed and the rest from another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lfsgan_cli.generation.generate import BASE, GRID_FILE, Compute
from lfsgan_cli.generation.output import Block, Pixels, check_folder, check_ours, labelled, make_room, save, to_arrays
from lfsgan_cli.generation.sampling import (
    SamplingOptions,
    generator_of,
    latent,
    map_seeds,
    noise_maps,
    synthesize,
    usual_batch,
)
from lfsgan_cli.images.formats import GRID
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.inference import prepared
from lfsgan_cli.system.device import Precision, dtype_of
from lfsgan_cli.workspace.blend import sides_of
from lfsgan_cli.workspace.paths import find_task
from lfsgan_cli.workspace.workspace import Workspace


@dataclass(frozen=True)
class MixingJob:
    """A matrix of images. rows, columns: seeds. layers: those taken from the column, as `blend.sides_of` reads them."""

    workspace: Workspace
    task: str | None  # or a blend; None is the base
    rows: Sequence[int]
    columns: Sequence[int]
    layers: str
    options: SamplingOptions
    outdir: Path

    @property
    def grid(self) -> Path:
        """The file with the matrix and its margins."""
        return self.outdir / GRID_FILE

    def paths(self) -> list[Path]:
        """The files of all images: those of the seeds, then the matrix row by row."""
        seeds = [f"seed{seed:04}.png" for seed in self._seeds]
        return [self.outdir / name for name in [*seeds, *(f"row{r:04}-col{c:04}.png" for r, c in self._pairs)]]

    def check(self, compute: Compute, *, overwrite: bool, dry_run: bool = False) -> None:
        """Make the folder; raises as `GenerateJob.check`, and LayersError."""
        style_inputs(self.layers, self.workspace.base.average.config)
        check_folder(self.outdir)
        check_ours([*self.paths(), self.grid])
        make_room({self.outdir: self._note(compute)}, overwrite=overwrite, dry_run=dry_run)

    def compute(self, device: torch.device, batch: int | None, precision: Precision) -> Compute:
        """How to compute all of it; None is what suits the device."""
        return Compute(device, batch or usual_batch(self.workspace.base.average.config, device), precision)

    def run(self, compute: Compute) -> Iterator[Path]:
        """Sample everything; yields each image's file once it is written, and the grid last."""
        sources: list[int | list[int]] = [*self._seeds, *([row, column] for row, column in self._pairs)]
        note, images = self._note(compute), list[Pixels]()
        for path, source, image in zip(self.paths(), sources, self.images(compute), strict=True):
            save(path, image, {**note, "seed": source})
            images.append(image)
            yield path
        save(self.grid, self.image_grid(images), {**note, "seed": None}, GRID)
        yield self.grid

    def images(self, compute: Compute) -> Iterator[Pixels]:
        """All images in the order of `paths`, uint8 [R, R, 3]; nothing is written."""
        generator, dtype = self._generator(compute), dtype_of(compute.precision, torch.float32)
        config = generator.config
        w = dict(
            zip(self._seeds, generator.spread(map_seeds(generator, self._seeds, self.options.truncation)), strict=True)
        )
        own = torch.tensor([layer in style_inputs(self.layers, config) for layer in range(config.latents)])
        mask = own[:, None].to(compute.device)
        ws = [w[seed] for seed in self._seeds] + [torch.where(mask, w[c], w[r]) for r, c in self._pairs]
        noise_seeds = [*self._seeds, *(row for row, _ in self._pairs)]
        for first in range(0, len(ws), compute.batch):
            part = slice(first, first + compute.batch)
            noise = self._noise(noise_seeds[part], config, compute.device)
            for batch in synthesize(generator, torch.stack(ws[part]), noise, batch=compute.batch, dtype=dtype):
                yield from to_arrays(batch)

    def image_grid(self, images: Sequence[Pixels]) -> Pixels:
        """The matrix with its margins, uint8 [H, W, 3]. images: all of them, as `images` gives them."""
        return labelled([self._block(images)], self._heading())

    @property
    def _seeds(self) -> list[int]:
        return list(dict.fromkeys([*self.rows, *self.columns]))

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return [(row, column) for row in self.rows for column in self.columns]

    def _generator(self, compute: Compute) -> Generator:
        base = self.workspace.base.average
        plain = (
            generator_of(self.workspace, self.task, self.options, compute.device)
            if self.task
            else base.to(compute.device)
        )
        return prepared(plain, dtype_of(compute.precision, torch.float32))

    def _noise(self, seeds: Sequence[int], config: NetworkConfig, device: torch.device) -> list[torch.Tensor] | None:
        """The noise of the row's seed, so that a row differs by its styles alone."""
        streams = [np.random.RandomState(seed) for seed in seeds]
        for stream in streams:
            latent(stream, config)
        return noise_maps(self.options.noise, streams, config, device)

    def _block(self, images: Sequence[Pixels]) -> Block:
        margin = dict(zip(self._seeds, images, strict=False))
        cells = iter(images[len(self._seeds) :])
        head: list[Pixels | None] = [None, *(margin[column] for column in self.columns)]
        body: list[list[Pixels | None]] = [[margin[row], *(next(cells) for _ in self.columns)] for row in self.rows]
        columns = ["", *(f"seed {column}" for column in self.columns)]
        return Block([head, *body], columns, ["", *(f"seed {row}" for row in self.rows)])

    def _heading(self) -> str:
        words = [self.task or BASE, f"{self.layers} layers of the columns, the rest of the rows"]
        return ", ".join([*words, *(f"{key} {value}" for key, value in self.options.note().items())])

    def _note(self, compute: Compute) -> dict[str, Any]:
        tasks = [task for task, _ in self.workspace.blend(self.task).parts] if self.task else []
        precision = {} if compute.precision == "fp32" else {"precision": compute.precision}
        return {
            "task": self.workspace.blend(self.task).title if self.task else BASE, "mixed_layers": self.layers,
            "file_sha256": {task: file_hash(find_task(self.workspace.root, task)) for task in tasks},
            "base": self.workspace.base.identity, **precision, **self.options.note(),
        }  # fmt: skip


def style_inputs(layers: str, config: NetworkConfig) -> list[int]:
    """The inputs of the synthesis that belong to layers: indices of w as in NVIDIA's tools; LayersError.

    Those of the convolutions at the layers' sides; the last one, of the last ToRGB alone, belongs to the largest side.
    """
    sides = sides_of(layers, config, "--layers")
    return [index for index, side in enumerate([*config.noise_sides, config.resolution]) if side in sides]
