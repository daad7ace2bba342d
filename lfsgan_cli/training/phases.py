"""A training loop as a list of phases that yields its steps; lazy regularization is a phase that runs less often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lfsgan_cli.training.config import Gradients

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


class FadingAdam(torch.optim.Adam):
    """Adam to which a step without a gradient is one with a gradient of zero: its counters and moments move.

    As in the published code with torch 1.12, whose `zero_grad` leaves zeros. What never had a gradient stays at rest.
    """

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Zeros, not None."""
        super().zero_grad(set_to_none)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Whatever learned before has a gradient again, of zero."""
        super().load_state_dict(state_dict)
        for parameter in self.state:
            parameter.grad = torch.zeros_like(parameter)


ADAMS: dict[Gradients, type[torch.optim.Adam]] = {"dropped": torch.optim.Adam, "zeroed": FadingAdam}


def lazy_adam(groups: Sequence[Rated], every: int, gradients: Gradients = "dropped") -> torch.optim.Adam:
    """Adam for a network that is regularized by an extra update every so many steps (Karras et al., 2020, appendix B).

    The extra update makes steps more frequent; learning rate and decay are lowered to match. every=0: no such update.
    gradients: what is left of them after a step, see `FadingAdam`.
    """
    ratio = every / (every + 1) if every else 1.0
    rated = [
        {"params": list(group.parameters), "lr": group.lr * ratio, FULL_RATE: group.lr * ratio}
        for group in groups
        if group.parameters
    ]
    return ADAMS[gradients](rated, betas=(0.0, 0.99**ratio), fused=True)


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
