"""A phase runs when its interval says, and moves nothing but its own parameters."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli.training.loop import Phase, Rated, lazy_adam, run


def phase(name: str, every: int, parameter: nn.Parameter, other: nn.Parameter, seen: list[tuple[str, int]]) -> Phase:
    def losses(step: int) -> Iterator[Tensor]:
        seen.append((name, step))
        assert parameter.requires_grad
        assert not other.requires_grad
        yield (parameter * other).sum()

    return Phase(name, every, [parameter], torch.optim.SGD([parameter], lr=1.0), losses)


def test_phases_run_in_order_at_their_intervals_from_wherever_one_begins() -> None:
    a, b = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    seen: list[tuple[str, int]] = []
    phases = [phase("a", 1, a, b, seen), phase("b", 3, b, a, seen)]
    steps = list(run(phases, 2, 5))
    assert seen == [("a", 2), ("a", 3), ("b", 3), ("a", 4)]
    assert [step.done for step in steps] == [3, 4, 5]
    assert [list(step.losses) for step in steps] == [["a"], ["a", "b"], ["a"]]


def test_only_the_phases_own_parameters_move() -> None:
    a, b = nn.Parameter(torch.tensor([2.0])), nn.Parameter(torch.tensor([5.0]))
    b.requires_grad = False
    (step,) = run([phase("a", 1, a, b, [])], 0, 1)
    assert (a.item(), b.item()) == (-3.0, 5.0)
    assert step.losses["a"].item() == 10.0
    assert not step.losses["a"].requires_grad
    assert a.grad is None


def test_a_loss_in_parts_moves_like_their_sum_and_no_two_graphs_are_in_memory() -> None:
    a, freed = nn.Parameter(torch.tensor([2.0])), []

    def losses(_step: int) -> Iterator[Tensor]:
        first = (a * a).sum()
        yield first
        with pytest.raises(RuntimeError, match="freed"):
            first.backward()  # type: ignore[no-untyped-call]
        freed.append(first)
        yield (3 * a).sum()

    (step,) = run([Phase("a", 1, [a], torch.optim.SGD([a], lr=1.0), losses)], 0, 1)
    assert freed
    assert step.losses["a"].item() == 2.0 * 2.0 + 3 * 2.0
    assert a.item() == 2.0 - (2 * 2.0 + 3)


# Karras et al., 2020, appendix B: c = k / (k + 1), learning rate λ·c, decays β^c.
@pytest.mark.parametrize(("every", "ratio"), [(16, 16 / 17), (4, 4 / 5), (0, 1.0)])
def test_lazy_regularization_lowers_rate_and_decay(every: int, ratio: float) -> None:
    (group,) = lazy_adam([Rated([nn.Parameter(torch.ones(1))], 0.002)], every).param_groups
    assert group["lr"] == pytest.approx(0.002 * ratio)
    assert group["betas"] == pytest.approx((0.0, 0.99**ratio))


def test_groups_learn_at_rates_of_their_own_and_an_empty_one_is_left_out() -> None:
    slow, fast = ([nn.Parameter(torch.ones(1))] for _ in range(2))
    optimizer = lazy_adam([Rated(slow, 0.1), Rated([], 1.0), Rated(fast, 0.2)], 0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]
