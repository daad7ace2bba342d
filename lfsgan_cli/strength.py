"""A task at less or more than its full strength: a share of all that its adapter changes."""

from __future__ import annotations

from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.errors import LfsganError

LARGEST = 1.2


class StrengthError(LfsganError):
    """A strength at which nothing is drawn."""

    def __init__(self, strength: float) -> None:
        super().__init__(
            f"strength {strength}: expected a number from 0, which draws the base, over 1, the task, to {LARGEST}"
        )


# `lerp` gives back its ends bit for bit: a task at 0 is the base, and at 1 it is the task.


class ScaledWeight(nn.Module):
    """W + s (Ŵ - W)."""

    def __init__(self, task: nn.Module, strength: float) -> None:
        super().__init__()
        self.task, self.strength = task, strength

    def forward(self, frozen: Tensor) -> Tensor:
        """Any shape."""
        return frozen.lerp(self.task(frozen), self.strength)


class ScaledBranch(nn.Module):
    """y + s (ŷ - y)."""

    def __init__(self, branch: nn.Module, strength: float) -> None:
        super().__init__()
        self.branch, self.strength = branch, strength

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: input and output of a layer."""
        return y.lerp(self.branch(x, y.clone()), self.strength)  # a copy, since a branch may work in place


class Scaled(Adapter):
    """Another adapter, all of whose changes are scaled by its strength; it has that one's parameters."""

    def __init__(self, adapter: Adapter, strength: float) -> None:
        super().__init__()
        for name, task in adapter.weights.items():
            self.weights[name] = ScaledWeight(task, strength)
        for name, branch in adapter.features.items():
            self.features[name] = ScaledBranch(branch, strength)


def check_strength(strength: float) -> None:
    """StrengthError outside of 0 to 1.2, and for `nan`."""
    if not 0 <= strength <= LARGEST:
        raise StrengthError(strength)


def at_strength(adapter: Adapter, strength: float) -> Adapter:
    """The adapter at a strength: 0 leaves the base as it is, 1 is the adapter itself; StrengthError elsewhere."""
    check_strength(strength)
    return adapter if strength == 1 else Scaled(adapter, strength)
