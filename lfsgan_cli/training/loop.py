"""The training loop: phases that run at intervals, the optimizer that suits them, and a state that can be saved."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import Gradients

FULL_RATE = "full_rate"  # key of an optimizer's group for the rate that `set_rate` scales

Tensors: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """A finished step: how many are done, and the loss of every phase that ran (scalars, no gradient)."""

    done: int
    losses: Mapping[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One update: which parameters learn, from which loss, and how often.

    losses: from the step's number to scalars, whose sum is the loss; each one's graph is freed before the next is made.
    Only `parameters` receive gradients meanwhile. first, last: it runs from that step on, and before this one.
    """

    name: str
    every: int
    parameters: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer
    losses: Callable[[int], Iterable[Tensor]]
    first: int = 0
    last: float = math.inf

    def runs_at(self, step: int) -> bool:
        """Whether this update is due in a step, counted from 0."""
        return step % self.every == 0 and self.first <= step < self.last

    def update(self, step: int) -> Tensor:
        """Run in a step; its loss as a scalar without gradient."""
        _require(self.parameters, True)  # noqa: FBT003
        losses = []
        for loss in self.losses(step):
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            del loss  # and with it its graph
        self.optimizer.step()
        self.optimizer.zero_grad()
        _require(self.parameters, False)  # noqa: FBT003
        return torch.stack(losses).sum()


@dataclass(frozen=True)
class Rated:
    """Parameters that learn at one rate."""

    parameters: Sequence[nn.Parameter]
    lr: float


def run(phases: Sequence[Phase], first: int, last: int) -> Iterator[Step]:
    """Steps from `first` up to `last`; see `Phase.runs_at`."""
    for phase in phases:
        _require(phase.parameters, False)  # noqa: FBT003
    for step in range(first, last):
        yield Step(step + 1, {phase.name: phase.update(step) for phase in phases if phase.runs_at(step)})


class FadingAdam(torch.optim.Adam):
    """Adam for which a step without a gradient is one with a gradient of zero: its counters and moments advance.

    As in the published code with torch 1.12, whose `zero_grad` leaves zeros. What never had a gradient does not move.
    """

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Zeros, not None."""
        super().zero_grad(set_to_none)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Parameters with a state get a gradient of zero, as after a step."""
        super().load_state_dict(state_dict)
        for parameter in self.state:
            parameter.grad = torch.zeros_like(parameter)


def lazy_adam(groups: Sequence[Rated], every: int, gradients: Gradients = "dropped") -> torch.optim.Adam:
    """Adam for a network that is regularized by an extra update every so many steps (Karras et al., 2020, appendix B).

    The extra update makes steps more frequent; learning rate and betas are lowered to match. every=0: no such update.
    gradients: what is left of them after a step, see `FadingAdam`.
    """
    ratio = every / (every + 1) if every else 1.0
    rated = [
        {"params": list(group.parameters), "lr": group.lr * ratio, FULL_RATE: group.lr * ratio}
        for group in groups
        if group.parameters
    ]
    adam = FadingAdam if gradients == "zeroed" else torch.optim.Adam
    return adam(rated, betas=(0.0, 0.99**ratio), fused=True)


def dense_adam(groups: Sequence[Rated]) -> torch.optim.Adam:
    """Adam with momentum, for losses without an adversary."""
    rated = [{"params": list(group.parameters), "lr": group.lr, FULL_RATE: group.lr} for group in groups]
    return torch.optim.Adam(rated, betas=(0.9, 0.99), fused=True)


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Let every parameter learn at this share of the rate that `lazy_adam` gave it."""
    for group in optimizer.param_groups:
        group["lr"] = group[FULL_RATE] * share


def _require(parameters: Sequence[nn.Parameter], gradient: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradient)


Meanwhile: TypeAlias = Callable[[str, int, int], None]  # what is done, how much of it, and of how much


class TrainingLoop(ABC):
    """What pretraining and learning a task share: phases, progress, and the whole state as tensors.

    modules, optimizers: all that learns, by name, in the order of their state. random: the source of all randomness.
    done: finished steps. meanwhile: told of long work between two steps; what it raises ends the work.
    path_mean: running mean of path lengths. ranks: the processes that train together; their state is the same, and
    that of a run in one process.
    """

    modules: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    phases: Sequence[Phase]

    def __init__(self, seed: int, device: torch.device, ranks: Ranks = ALONE) -> None:
        self.device, self.ranks = device, ranks
        self.random = RandomSource(seed, device, ranks)
        self.path_mean = torch.zeros((), device=device)
        self.done = 0
        self.meanwhile: Meanwhile = lambda _what, _done, _of: None

    @property
    @abstractmethod
    def total(self) -> int:
        """Steps of the whole run."""

    @abstractmethod
    def begin(self) -> None:
        """Called before the first step, fresh or resumed."""

    @abstractmethod
    def follow(self) -> None:
        """Called after every step: averages and learning rates follow."""

    def steps(self) -> Iterator[Step]:
        """Train to the end, from the last finished step on."""
        yield from self.steps_until(self.total)

    def steps_until(self, last: int) -> Iterator[Step]:
        """Train until so many steps are done, from the last finished one on."""
        self.begin()
        for step in run(self.phases, self.done, last):
            self.done = step.done
            self.follow()
            yield Step(step.done, self.ranks.means(step.losses))

    def pack(self) -> Tensors:
        """The whole state as tensors."""
        scalars = {"path_mean": self.path_mean, "done": torch.tensor(self.done)}
        if self.random.choices is not self.random.rng:
            scalars["choices"] = self.random.choices.get_state()
        return pack(self.modules, self.optimizers, self.random.rng, scalars)

    def unpack(self, tensors: Tensors) -> None:
        """Continue from a packed state."""
        scalars = unpack(tensors, self.modules, self.optimizers, self.random.rng)
        self.path_mean = scalars["path_mean"].to(self.device)
        self.done = int(scalars["done"])
        if self.random.choices is not self.random.rng:
            self.random.choices.set_state(scalars["choices"])


def pack(
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    rng: torch.Generator,
    scalars: Mapping[str, Tensor],
) -> Tensors:
    """Everything under `module.NAME.…`, `optimizer.NAME.INDEX.…`, `scalar.NAME`, and the random state as `rng`."""
    tensors = {f"module.{name}.{key}": t for name, module in modules.items() for key, t in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for index, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{slot}": value for slot, value in slots.items()}
    tensors |= {f"scalar.{name}": value for name, value in scalars.items()}
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()} | {"rng": rng.get_state()}


def unpack(
    tensors: Tensors,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    rng: torch.Generator,
) -> Tensors:
    """Restore modules, optimizers and random state from `pack`'s tensors; returns the scalars."""
    for name, module in modules.items():
        module.load_state_dict(_under(tensors, f"module.{name}."))
    for name, optimizer in optimizers.items():
        slots: dict[int, Tensors] = {}
        for key, value in _under(tensors, f"optimizer.{name}.").items():
            index, slot = key.split(".")
            slots.setdefault(int(index), {})[slot] = value.clone()
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    rng.set_state(tensors["rng"])
    return _under(tensors, "scalar.")


def _under(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


# The exponential moving average of a module's parameters: what is sampled from and stored.


M = TypeVar("M", bound=nn.Module)


class EMA(Generic[M]):
    """A copy of a module whose parameters follow the original's; its buffers are the original's.

    half_life: in images, or in steps, as `follow` counts; early on it is at most the share `ramp` of those seen.
    """

    def __init__(self, module: M, half_life: float, ramp: float) -> None:
        self.module = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self.half_life = half_life
        self.ramp = ramp

    @torch.no_grad()
    def follow(self, module: M, batch: int, seen: int) -> None:
        """Take in the module's state, `batch` images (or steps) after the last one, `seen` of them in all."""
        half_life = max(min(self.half_life, self.ramp * seen), 1e-8)
        ours: list[Tensor] = list(self.module.parameters())
        theirs: list[Tensor] = list(module.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - 0.5 ** (batch / half_life))
        for buffer, current in zip(self.module.buffers(), module.buffers(), strict=True):
            buffer.copy_(current)
