"""A training loop as a list of phases that yields its steps; lazy regularization is a phase that runs less often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FULL_RATE = "full_rate"  # under which an optimizer's groups keep the rate that is lowered in the end


@dataclass(frozen=True)
class Step:
    """What happened: how many steps are done, and the loss of every phase that ran (scalars, no gradient)."""

    done: int
    losses: Mapping[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One update: who learns, from which loss, and how often.

    losses: from the step's number to scalars, whose sum is the loss; each one's graph is gone before the next is made.
    Only `parameters` receive gradients meanwhile.
    """

    name: str
    every: int
    parameters: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer
    losses: Callable[[int], Iterable[Tensor]]

    def update(self, step: int) -> Tensor:
        """Run once; the loss as a scalar without gradient."""
        _require(self.parameters, True)  # noqa: FBT003
        total = torch.stack([_spread(loss) for loss in self.losses(step)]).sum()
        self.optimizer.step()
        self.optimizer.zero_grad()
        _require(self.parameters, False)  # noqa: FBT003
        return total


@dataclass(frozen=True)
class Rated:
    """Parameters that learn at one rate."""

    parameters: Sequence[nn.Parameter]
    lr: float


def run(phases: Sequence[Phase], first: int, last: int) -> Iterator[Step]:
    """Steps from `first` up to `last`; a phase runs when its interval divides the step's number."""
    for phase in phases:
        _require(phase.parameters, False)  # noqa: FBT003
    for step in range(first, last):
        yield Step(step + 1, {phase.name: phase.update(step) for phase in phases if step % phase.every == 0})


def lazy_adam(groups: Sequence[Rated], every: int) -> torch.optim.Adam:
    """Adam for a network that is regularized by an extra update every so many steps (Karras et al., 2020, appendix B).

    The extra update makes steps more frequent; learning rate and decay are lowered to match. every=0: no such update.
    """
    ratio = every / (every + 1) if every else 1.0
    rated = [
        {"params": list(group.parameters), "lr": group.lr * ratio, FULL_RATE: group.lr * ratio}
        for group in groups
        if group.parameters
    ]
    return torch.optim.Adam(rated, betas=(0.0, 0.99**ratio), fused=True)


def set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Let every parameter learn at this share of the rate that `lazy_adam` gave it."""
    for group in optimizer.param_groups:
        group["lr"] = group[FULL_RATE] * share


def _spread(loss: Tensor) -> Tensor:
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _require(parameters: Sequence[nn.Parameter], gradient: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradient)
