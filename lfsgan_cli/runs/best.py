"""The best EMA generator of the last half of a pretraining, by a metric that the training does not use."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as F

from lfsgan_cli.evaluation.metrics.fid import Statistics, distance, statistics
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.batches import batch_of, shuffled

LOOKS = 24  # in the last half of a run
LEAST_STEPS = 250  # between two: every few minutes on a CPU
SAMPLES, SIDE = 1000, 16  # images on either side, and their width in pixels


def look_every(total: int) -> int:
    """Steps between two comparisons; a function of the run's length alone, so that equal runs choose alike."""
    return max(LEAST_STEPS, -(-total // (2 * LOOKS)))


class Best:
    """Keeps the EMA generator whose samples were nearest to the training images.

    The metric is the Fréchet distance of images at 16×16 pixels: 1,000 samples of seeds 0 to 999 with constant noise
    against as many training images. It needs no network, takes seconds, and shows what ruins a base: colours that
    drift, layouts that collapse. It says nothing of fine detail.

    state, step, distance: of the best so far; distances: all, by their step.
    """

    def __init__(self, images: ImageDataset, seed: int, device: torch.device) -> None:
        self.images, self.seed, self.device = images, seed, device
        self.state: dict[str, Tensor] = {}
        self.distances: dict[int, float] = {}
        self._reals: Statistics | None = None

    @property
    def step(self) -> int | None:
        """The step of the best; None before the first look."""
        return min(self.distances, key=self.distances.__getitem__) if self.distances else None

    def look(self, generator: Generator, done: int) -> None:
        """Compare a generator's samples with the training images, and keep a copy of it where it is the best."""
        if self._reals is None:
            count = min(SAMPLES, len(self.images))
            chosen = list(islice(shuffled(len(self.images), self.seed, 0), count))
            parts = [chosen[first : first + 100] for first in range(0, count, 100)]
            self._reals = statistics(torch.cat([_pixels(batch_of(self.images, part, self.device)) for part in parts]))
        batches = sample(generator, range(SAMPLES), noise="const")
        fakes = torch.cat([_pixels(batch.float() / 127.5 - 1) for batch in batches])
        self.distances[done] = distance(self._reals, statistics(fakes))
        if self.step == done:
            self.state = {name: tensor.detach().cpu().clone() for name, tensor in generator.state_dict().items()}

    def pack(self) -> dict[str, Tensor]:
        """As tensors for a checkpoint."""
        if not self.distances:
            return {}
        steps, distances = zip(*self.distances.items(), strict=True)
        looks = {"best.steps": torch.tensor(steps), "best.distances": torch.tensor(distances, dtype=torch.float64)}
        return looks | {f"best.state.{name}": tensor for name, tensor in self.state.items()}

    def unpack(self, tensors: Mapping[str, Tensor]) -> None:
        """Back from `pack`."""
        if "best.steps" in tensors:
            looks = zip(tensors["best.steps"].tolist(), tensors["best.distances"].tolist(), strict=True)
            self.distances = dict(looks)
            prefix = "best.state."
            self.state = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _pixels(images: Tensor) -> Tensor:
    """[N, 3, R, R] from -1 to 1 as rows [N, 3·16·16]: means over equal squares."""
    return F.adaptive_avg_pool2d(images, min(SIDE, images.shape[-1])).flatten(1).cpu()
