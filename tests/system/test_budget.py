"""What is asked for is counted before it is made."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli.system.machine import Budget, OverBudgetError

TERABYTES = 1 << 40


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(2, 3),
        lambda: torch.ones((2, 3)),
        lambda: torch.randn(torch.Size([2, 3])),
        lambda: torch.full((2, 3), 7.0),
        lambda: torch.empty(size=(2, 3)),
        lambda: nn.Linear(3, 2, bias=False).weight,
    ],
)
def test_every_way_to_ask_for_numbers_is_counted(make: Callable[[], Tensor]) -> None:
    with Budget(6):
        assert make().shape == (2, 3)
    with Budget(11), pytest.raises(OverBudgetError):
        make(), make()


def test_what_no_machine_could_hold_is_refused_by_count() -> None:
    with Budget(1000), pytest.raises(OverBudgetError):
        torch.zeros(TERABYTES, TERABYTES)


def test_computing_with_what_was_made_costs_nothing_more() -> None:
    with Budget(6):
        made = torch.ones(2, 3)
        assert torch.equal((made + made) @ made.T, torch.full_like(made @ made.T, 6.0))
