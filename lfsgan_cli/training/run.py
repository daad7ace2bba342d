"""One training run: phases, where it stands, and its whole state to keep and take up again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from lfsgan_cli.training import state
from lfsgan_cli.training.draws import Draws
from lfsgan_cli.training.phases import Phase, Step, run


class Run(ABC):
    """What pretraining and learning a task share.

    modules, optimizers: all that learns, by name, in the order of their state. draws: where all randomness comes from.
    done: finished steps. path_mean: running mean of path lengths.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    phases: Sequence[Phase]

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.draws = Draws(seed, device)
        self.path_mean = torch.zeros((), device=device)
        self.done = 0

    @property
    @abstractmethod
    def total(self) -> int:
        """How many steps the whole run has."""

    @abstractmethod
    def begin(self) -> None:
        """Called before the first step, fresh or resumed."""

    @abstractmethod
    def follow(self) -> None:
        """Called after every step: averages follow."""

    def steps(self) -> Iterator[Step]:
        """Train to the end, from wherever the run stands."""
        self.begin()
        for step in run(self.phases, self.done, self.total):
            self.done = step.done
            self.follow()
            yield step

    def pack(self) -> state.Tensors:
        """The whole state as tensors."""
        return state.pack(self.modules, self.optimizers, self.draws.rng, self.scalars())

    def unpack(self, tensors: state.Tensors) -> None:
        """Go on from a packed state."""
        self.take_up(state.unpack(tensors, self.modules, self.optimizers, self.draws.rng))

    def scalars(self) -> dict[str, Tensor]:
        """What must be kept beside modules, optimizers and the random numbers' state."""
        scalars = {"path_mean": self.path_mean, "done": torch.tensor(self.done)}
        if self.draws.choices is not self.draws.rng:
            scalars["choices"] = self.draws.choices.get_state()
        return scalars

    def take_up(self, scalars: Mapping[str, Tensor]) -> None:
        """Back from `scalars`."""
        self.path_mean = scalars["path_mean"].to(self.device)
        self.done = int(scalars["done"])
        if self.draws.choices is not self.draws.rng:
            self.draws.choices.set_state(scalars["choices"])
