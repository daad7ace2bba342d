"""A task is held to the likenesses that pictures of the same latents have in the base."""

import torch
from lfsgan_adapters.full import FullFineTune
from torch import Tensor

from lfsgan_cli.apply import adapt
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.correspondence import Correspondence, kept_likenesses


def features(seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 6, side, side, generator=rng, dtype=torch.float64) for side in (2, 4)]


def test_equal_likenesses_cost_nothing() -> None:
    maps = features()
    assert abs(float(kept_likenesses(maps, maps))) < 1e-12


def test_how_large_features_are_does_not_count() -> None:
    maps = features()
    assert abs(float(kept_likenesses([3 * one for one in maps], maps))) < 1e-12


def test_the_divergence_is_that_of_the_shares_worked_out_by_hand() -> None:
    theirs = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    ours = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    # Cosines to the two others. Theirs: (1, 0), (1, 0), (0, 0); ours: (0, 0), (0, 1), (0, 1).
    like, even = torch.tensor([1.0, 0.0]).double().softmax(0), torch.tensor([0.5, 0.5]).double()

    def divergence(p: Tensor, q: Tensor) -> Tensor:
        return (p * (p / q).log()).sum()

    expected = (divergence(like, even) + divergence(like, like.flip(0)) + divergence(even, like.flip(0))) / 3
    assert torch.isclose(kept_likenesses([ours], [theirs]), expected, rtol=1e-12)


def test_samples_that_fall_together_are_pulled_apart() -> None:
    theirs, [grain] = features()[:1], features(1)[:1]
    ours = (theirs[0][:1] + 0.1 * grain).requires_grad_()  # all near the first one
    loss = kept_likenesses([ours], theirs)
    loss.backward()  # type: ignore[no-untyped-call]
    assert ours.grad is not None
    step = ours.detach() - 1e-3 * ours.grad / ours.grad.norm()
    assert float(kept_likenesses([step], theirs)) < float(loss.detach())


def test_a_task_is_compared_with_the_base_as_it_was_before_the_task_changed_it() -> None:
    base = tiny_generator()
    adapter = FullFineTune(base, FullFineTune.Config())
    draws = RandomSource(0, torch.device("cpu"))
    correspondence = Correspondence(base, adapt(base, adapter), LearnConfig(), draws, torch.float32)
    assert abs(float(correspondence.loss().detach())) < 1e-6  # a task that has learned nothing is the base
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    loss = correspondence.loss()
    assert float(loss.detach()) > 1e-3
    loss.backward()  # type: ignore[no-untyped-call]
    assert any(p.grad is not None and bool(p.grad.abs().sum()) for p in adapter.parameters())
    assert all(p.grad is None for p in base.parameters())
