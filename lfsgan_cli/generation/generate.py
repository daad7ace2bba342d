"""Drawing tasks into a folder: one file for each task and seed, one sheet for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from lfsgan_cli.generation.contact_sheet import (
    Pixels,
    check_folder,
    check_ours,
    near_square,
    save,
    save_grid,
    to_arrays,
)
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of, sample, usual_batch
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.inference import Choice, compiled, is_worth_it, prepared
from lfsgan_cli.system.device import Precision, dtype_of
from lfsgan_cli.system.memory import keep_freed
from lfsgan_cli.workspace.workspace import Workspace

BASE = "base"  # the folder of the base's own pictures; no task can have that name
SHEET_COLUMNS = 64  # more pictures than this in a row of the sheet could not be looked at
SHEET_PICTURES = 1024


@dataclass(frozen=True)
class Means:
    """How pictures are computed. compile: see `lfsgan_cli.networks.inference`."""

    device: torch.device
    batch: int
    precision: Precision = "fp32"
    compile: bool = False


class Drawing:
    """Checked before anything is drawn: every task can be read, and no file of others is in the way.

    names: tasks in the order of the sheet's rows; None is the base.
    """

    def __init__(
        self,
        workspace: Workspace,
        names: Sequence[str | None],
        seeds: Sequence[int],
        style: SamplingOptions,
        outdir: Path,
    ) -> None:
        self.workspace, self.names, self.seeds = workspace, names, seeds
        self.style, self.outdir = style, outdir
        for name in names:
            if name is not None:
                workspace.info(name)
        for name in names:
            check_folder(self.outdir / (name or BASE))
        check_ours([*self.paths(), self.sheet])

    @property
    def sheet(self) -> Path:
        """The file with all pictures."""
        return self.outdir / "grid.png"

    def paths(self) -> list[Path]:
        """The files of all pictures, in the order in which they are drawn."""
        return [self.path(name, seed) for name in self.names for seed in self.seeds]

    def path(self, name: str | None, seed: int) -> Path:
        """The file of one picture."""
        return self.outdir / (name or BASE) / f"seed{seed:04}.png"

    def means(self, device: torch.device, batch: int | None, precision: Precision, choice: Choice) -> Means:
        """How to draw all of it; what is not given is what suits the device. NoCompilerError as `is_worth_it`."""
        config = self.workspace.base.average.config
        worth = is_worth_it(choice, len(self.seeds), config.resolution, device)
        return Means(device, batch or usual_batch(config, device), precision, worth)

    def run(self, means: Means) -> Iterator[Path]:
        """Draw everything; yields each picture's file once it is written, and the sheet last."""
        rows = []
        keep_freed()
        for name in self.names:
            row: list[Pixels] = []
            for path, picture in self._draw(name, means):
                row += [picture] if len(row) < self._kept else []
                yield path
            rows.append(row)
        layout = near_square(rows[0]) if len(rows) == 1 else rows
        note = self._note(self.style, [name or BASE for name in self.names], list(self.seeds), means)
        save_grid(self.sheet, layout, note)
        yield self.sheet

    @property
    def _kept(self) -> int:
        return SHEET_PICTURES if len(self.names) == 1 else SHEET_COLUMNS

    def _draw(self, name: str | None, means: Means) -> Iterator[tuple[Path, Pixels]]:
        (self.outdir / (name or BASE)).mkdir(parents=True, exist_ok=True)
        style, left = self.style if name else self.style.of_base, iter(self.seeds)
        own = self._generator(name, means)
        batches = sample(
            own, self.seeds, truncation=style.truncation, noise=style.noise, batch=means.batch,
            dtype=dtype_of(means.precision, own.w_mean.dtype),
        )  # fmt: skip
        # The pictures first: `zip` would take one seed too many from an iterator that came before them.
        seeded = (list(zip(to_arrays(batch), left, strict=False)) for batch in batches)

        def write(item: tuple[Pixels, int]) -> None:
            save(self.path(name, item[1]), item[0], self._note(style, name or BASE, item[1], means))

        for picture, seed in written(seeded, write):
            yield self.path(name, seed), picture

    def _generator(self, name: str | None, means: Means) -> Generator:
        workspace, device = self.workspace, means.device
        plain = generator_of(workspace, name, self.style, device) if name else workspace.base.average.to(device)
        if means.compile:
            return compiled(plain, means.batch)
        return prepared(plain, dtype_of(means.precision, plain.w_mean.dtype))

    def _note(self, style: SamplingOptions, task: Any, seed: Any, means: Means) -> dict[str, Any]:
        note = {"task": task, "seed": seed, "base": self.workspace.base.identity, **style.note()}
        return note if means.precision == "fp32" else {**note, "precision": means.precision}


# Writing pictures in other threads while the next ones are drawn, so that compressing and the disk cost no time.


T = TypeVar("T")

THREADS = 4  # they mostly wait: each file is forced to the disk before it gets its name


def written(batches: Iterable[list[T]], write: Callable[[T], None]) -> Iterator[T]:
    """Each item of each batch in order, once it is written; at most two batches are waiting.

    An error of `write` comes up when its item would have; what was begun is still finished.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        before: list[tuple[T, Future[None]]] = []
        for batch in batches:
            begun = [(item, pool.submit(write, item)) for item in batch]
            yield from _finished(before)
            before = begun
        yield from _finished(before)


def _finished(begun: list[tuple[T, Future[None]]]) -> Iterator[T]:
    for item, future in begun:
        future.result()
        yield item
