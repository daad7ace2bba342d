"""The log of a run for TensorBoard, by the extra `[tensorboard]`: losses as scalars, and the image grids."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.training.loop import Step

FOLDER = "tensorboard"  # in the folder of a run


class NoTensorboardError(LfsganError):
    """The extra is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "--tensorboard needs TensorBoard, which is not installed: pip install 'lfsgan[tensorboard]'; "
            "the losses are in stats.jsonl without it"
        )


class Tensorboard:
    """Writes event files into a folder, which is made with the first entry; NoTensorboardError.

    Entries of an earlier run or process from the first new step on are hidden, so that a resumed run has one line.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._writers: Any = importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            raise NoTensorboardError from error
        self.folder = folder
        self._open: Any = None

    def losses(self, step: Step) -> None:
        """Add the losses of a step, as `loss/NAME`."""
        for name, loss in step.losses.items():
            self._writer(step.done).add_scalar(f"loss/{name}", float(loss), step.done)

    def samples(self, grid: Path, done: int) -> None:
        """Add an image grid from its file."""
        with Image.open(grid) as image:
            pixels = np.asarray(image.convert("RGB"))
        writer = self._writer(done)
        writer.add_image("samples", pixels, done, dataformats="HWC")
        writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._open is not None:
            self._open.close()

    def _writer(self, step: int) -> Any:
        if self._open is None:
            self._open = self._writers.SummaryWriter(str(self.folder), purge_step=step)
        return self._open
