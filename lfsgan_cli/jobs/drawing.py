"""Drawing tasks into a folder: one file for each task and seed, one sheet for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.jobs.sheets import Pixels, check_folder, check_ours, near_square, save, save_sheet, to_arrays
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.sampling import NoiseMode, draw
from lfsgan_cli.workspace import Workspace

BASE = "base"  # the folder of the base's own pictures; no task can have that name
SHEET_COLUMNS = 64  # more pictures than this in a row of the sheet could not be looked at
SHEET_PICTURES = 1024


@dataclass(frozen=True)
class Style:
    """How pictures are drawn; part of what identifies each."""

    truncation: float
    noise: NoiseMode


class Drawing:
    """Checked before anything is drawn: every task can be read, and no file of others is in the way.

    names: tasks in the order of the sheet's rows; None is the base.
    """

    def __init__(
        self, workspace: Workspace, names: Sequence[str | None], seeds: Sequence[int], style: Style, outdir: Path
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

    def run(self, device: torch.device, batch: int) -> Iterator[Path]:
        """Draw everything; yields each picture's file once it is written, and the sheet last."""
        rows = []
        for name in self.names:
            generator = self.workspace.generator(name, device) if name else self.workspace.base.average.to(device)
            row: list[Pixels] = []
            for path, picture in self._draw(name, generator, batch):
                row += [picture] if len(row) < self._kept else []
                yield path
            rows.append(row)
        layout = near_square(rows[0]) if len(rows) == 1 else rows
        save_sheet(self.sheet, layout, self._note([name or BASE for name in self.names], list(self.seeds)))
        yield self.sheet

    @property
    def _kept(self) -> int:
        return SHEET_PICTURES if len(self.names) == 1 else SHEET_COLUMNS

    def _draw(self, name: str | None, generator: Generator, batch: int) -> Iterator[tuple[Path, Pixels]]:
        seeds = iter(self.seeds)
        (self.outdir / (name or BASE)).mkdir(parents=True, exist_ok=True)
        style = self.style
        for pictures in draw(generator, self.seeds, truncation=style.truncation, noise=style.noise, batch=batch):
            for picture, seed in zip(to_arrays(pictures), seeds, strict=False):
                path = self.path(name, seed)
                save(path, picture, self._note(name or BASE, seed))
                yield path, picture

    def _note(self, task: Any, seed: Any) -> dict[str, Any]:
        style = self.style
        base = self.workspace.base.identity
        return {"task": task, "seed": seed, "base": base, "truncation": style.truncation, "noise": style.noise}
