"""The conformance check finds each way in which an adapter can break the contract, and says which."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.testing import check_adapter, tiny_generator

WEIGHT = "synthesis.convs.1.conv.weight"


class Shift(nn.Module):
    """Adds a learned difference: all that an adapter needs."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.delta = nn.Parameter(torch.zeros(shape))

    def forward(self, frozen: Tensor) -> Tensor:
        return frozen + self.delta


class Sound(Adapter):
    """Shifts one weight; the broken ones below differ from it in one thing each."""

    part: type[nn.Module] = Shift

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002
        super().__init__()
        self.weights[WEIGHT] = self.part(network.get_parameter(WEIGHT).shape)


class Offset(Shift):
    def forward(self, frozen: Tensor) -> Tensor:
        return super().forward(frozen) + 0.1


class NotTheBaseAtFirst(Sound):
    part = Offset


class Product(Shift):
    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.left, self.right = (nn.Parameter(torch.zeros(())) for _ in range(2))

    def forward(self, frozen: Tensor) -> Tensor:
        return super().forward(frozen) + self.left * self.right


class Dead(Sound):
    part = Product


class DeclaredDead(Dead):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        shelf = "weights." + WEIGHT.replace(".", "/")
        self.nulls = dict.fromkeys([f"{shelf}.left", f"{shelf}.right"], "both factors start at zero")


class DeclaresStrangers(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        self.nulls = {"ghost": "it is not there"}


class HurriesStrangers(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        self.rates = {"ghost": 2.0}


class Overwriting(Shift):
    def forward(self, frozen: Tensor) -> Tensor:
        frozen.data.mul_(1.001)
        return super().forward(frozen)


class WritesIntoTheBase(Sound):
    part = Overwriting


class ThawsTheBase(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        network.requires_grad_(requires_grad=True)


class Counting(Shift):
    calls: Tensor

    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.register_buffer("calls", torch.ones(()), persistent=False)

    def forward(self, frozen: Tensor) -> Tensor:
        self.calls += 1
        return frozen + self.delta * self.calls


class LosesABuffer(Sound):
    part = Counting


class RandomlyScaled(Shift):
    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.scale = torch.randn(())

    def forward(self, frozen: Tensor) -> Tensor:
        return frozen + self.delta * self.scale


class LosesItsRandomStart(Sound):
    part = RandomlyScaled


class LeavesAHook(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        network.get_submodule("synthesis.convs.0").register_forward_hook(lambda *_: None)


class LeavesAnEarlyHook(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:
        super().__init__(network, config)
        network.get_submodule("synthesis.convs.0").register_forward_pre_hook(lambda *_: None)


class Empty(Sound):
    def __init__(self, network: nn.Module, config: Any) -> None:  # noqa: ARG002
        Adapter.__init__(self)


COMMON = torch.zeros_like(tiny_generator().get_parameter(WEIGHT))


class Sharing(Shift):
    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.delta = nn.Parameter(COMMON.zero_())  # one memory for all


class TasksShareMemory(Sound):
    part = Sharing


def test_a_sound_adapter_passes() -> None:
    check_adapter(Sound)


def test_dead_tensors_pass_once_they_are_declared_with_a_reason() -> None:
    check_adapter(DeclaredDead)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (NotTheBaseAtFirst, "a new adapter must draw as the base does"),
        (Empty, "no parameters"),
        (Dead, r"no gradient above rounding noise within two steps: .*\.left, .*\.right"),
        (DeclaresStrangers, "declared as null, but not a tensor of the adapter: ghost"),
        (HurriesStrangers, "declared as learning at a rate of its own, but not a tensor of the adapter: ghost"),
        (ThawsTheBase, "gradients reached the frozen base"),
        (WritesIntoTheBase, f"training changed the frozen base: {WEIGHT}"),
        (LosesABuffer, "something it needs is not in its state"),
        (LosesItsRandomStart, "something it needs is not in its state"),
        (LeavesAHook, "hooks stayed behind on synthesis.convs.0"),
        (LeavesAnEarlyHook, "hooks stayed behind on synthesis.convs.0"),
        (TasksShareMemory, "training a second task changed what the first one generates"),
    ],
)
def test_a_broken_adapter_is_told_what_it_breaks(broken: type[Adapter], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_adapter(broken)
