"""Distances of pairs are the plain formula's, and so are their gradients, whatever the layout and the type."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.training import losses
from lfsgan_cli.training.losses import mean_absolute

FIRST, SECOND = torch.tensor([0, 0, 1, 4]), torch.tensor([1, 2, 2, 3])


def plain(x: Tensor) -> Tensor:
    """The formula, one pair after the other."""
    pairs = zip(FIRST.tolist(), SECOND.tolist(), strict=True)
    return torch.stack([(x[i] - x[j]).abs().mean() for i, j in pairs])


def samples(dtype: torch.dtype = torch.float64) -> Tensor:
    """Five feature maps [5, 6, 4, 4]."""
    return torch.randn(5, 6, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("block", [1, 7 * 4, 1 << 20])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_the_plain_ones(
    block: int, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "_BLOCK", block)
    x = samples().contiguous(memory_format=layout).requires_grad_()
    upstream = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    ours, theirs = mean_absolute(x, FIRST, SECOND), plain(x)
    assert torch.allclose(ours, theirs, rtol=1e-12)
    (gradient,) = torch.autograd.grad(ours, x, upstream)
    (expected,) = torch.autograd.grad(theirs, x, upstream)
    assert torch.allclose(gradient, expected, rtol=1e-12, atol=1e-15)


def test_half_precision_is_summed_in_single_precision() -> None:
    x = samples(torch.bfloat16)
    assert mean_absolute(x, FIRST, SECOND).dtype == torch.float32
    assert torch.allclose(mean_absolute(x, FIRST, SECOND).double(), plain(x.double()), rtol=1e-6)


def test_without_pairs_there_is_no_distance_and_no_gradient() -> None:
    x, none = samples().requires_grad_(), torch.zeros(0, dtype=torch.int64)
    distances = mean_absolute(x, none, none)
    assert distances.shape == (0,)
    distances.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert not x.grad.any()
