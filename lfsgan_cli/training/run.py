"""One training run: phases, where it stands, and its whole state to keep and take up again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from lfsgan_cli.training import state
from lfsgan_cli.training.phases import Phase, Step, run


class Run(ABC):
    """What pretraining and learning a task share.

    modules, optimizers: all that learns, by name, in the order of their state. rng: where all randomness comes from.
    choices: where random numbers come from that Python looks at; on the CPU, since it would wait for a GPU's.
    done: finished steps. path_mean: running mean of path lengths.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    phases: Sequence[Phase]

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.rng = torch.Generator(device).manual_seed(seed)
        self.choices = self.rng if device.type == "cpu" else torch.Generator().manual_seed(seed)
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
        scalars: dict[str, Tensor] = {"path_mean": self.path_mean, "done": torch.tensor(self.done)}
        if self.choices is not self.rng:
            scalars["choices"] = self.choices.get_state()
        return state.pack(self.modules, self.optimizers, self.rng, scalars)

    def unpack(self, tensors: state.Tensors) -> None:
        """Go on from a packed state."""
        scalars = state.unpack(tensors, self.modules, self.optimizers, self.rng)
        self.path_mean = scalars["path_mean"].to(self.device)
        self.done = int(scalars["done"])
        if self.choices is not self.rng:
            self.choices.set_state(scalars["choices"])
