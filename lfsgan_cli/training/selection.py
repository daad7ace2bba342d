"""Which snapshot of a run is taken: the last, or the one whose pictures are most like shots kept from learning."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.losses import differ, energy_distance
from lfsgan_cli.training.perceptual import PerceptualDistance

LOOKS = 10  # snapshots of a run that are looked at, or fewer: every ⌈steps / 10⌉ steps, and the last
DRAWN = 64  # pictures of each look
AT_ONCE = 16
NONE_YET = torch.finfo(torch.float32).max  # a stored state holds no infinities
COPYING = 1.0  # what a share of copies counts beside a distance; distances of other domains differ by about 0.5


class Selection(ABC):
    """modules, score: what must be kept with a run."""

    modules: dict[str, nn.Module]
    score: Tensor

    @abstractmethod
    def look(self, done: int) -> None:
        """Called after every step, with the number of finished ones."""

    @property
    @abstractmethod
    def chosen(self) -> Adapter:
        """The snapshot to be stored."""


class Last(Selection):
    """The averaged adapter as it stands."""

    def __init__(self, average: Adapter) -> None:
        self._average = average
        self.modules, self.score = {}, torch.zeros(())

    def look(self, done: int) -> None:
        """Nothing to do."""

    @property
    def chosen(self) -> Adapter:
        """See `Selection`."""
        return self._average


class Best(Selection):
    """The snapshot of the averaged adapter with the least distance to the shots that were held out, copies charged.

    view: draws with `average`. held: pictures [H, 3, R, R] that learning never sees. likeness: to those that it sees.
    """

    def __init__(
        self, average: Adapter, view: Generator, held: Tensor, likeness: PerceptualDistance, total: int
    ) -> None:
        self._average, self._view, self._likeness = average, view, likeness
        with torch.no_grad():
            self._held = likeness.embed(held)
        self._every, self._total = -(-total // LOOKS), total
        # Drawn by a source of its own, so that looking changes nothing of the run.
        self._z = RandomSource(0, held.device).normal(DRAWN, view.config.w_dim)
        self._best = copy.deepcopy(average)
        self.modules = {"chosen": self._best}
        self.score = torch.tensor(NONE_YET)

    @property
    def chosen(self) -> Adapter:
        """See `Selection`."""
        return self._best

    def look(self, done: int) -> None:
        """See `Selection`."""
        if done % self._every and done != self._total:
            return
        score = self.judged()
        if score < self.score:
            self.score = score
            self._best.load_state_dict(self._average.state_dict())

    @torch.no_grad()
    def judged(self) -> Tensor:
        """The score of the snapshot as it stands, the less the better."""
        drawn = torch.cat([self._likeness.embed(self._view(z)) for z in torch.split(self._z, AT_ONCE)])
        return energy_distance(drawn, self._held) + COPYING * copies(self._likeness, drawn)


def copies(likeness: PerceptualDistance, drawn: Tensor) -> Tensor:
    """The share of embedded pictures that are nearer to a shot than half the way between the two nearest that differ.

    Nothing where all shots are one picture: no distance tells then what is near.
    """
    apart = likeness.between(likeness.shots, likeness.shots)
    others = apart[differ(apart)]
    near = others.sqrt().amin() / 2 if len(others) else 0.0
    return (likeness.between(drawn, likeness.shots).sqrt().amin(1) < near).float().mean()
