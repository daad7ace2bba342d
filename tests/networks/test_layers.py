"""Resampling keeps brightness and can be differentiated as often as the regularizers need."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from lfsgan_cli.networks.layers import blur, normalize_latent, upsample


def test_upsampling_keeps_brightness_away_from_the_border() -> None:
    torch.testing.assert_close(upsample(torch.ones(1, 2, 6, 6))[:, :, 1:-1, 1:-1], torch.ones(1, 2, 10, 10))


def test_blurring_keeps_brightness_away_from_the_border() -> None:
    torch.testing.assert_close(
        blur(torch.ones(1, 2, 8, 8), padding=1, stride=2)[:, :, 1:-1, 1:-1], torch.ones(1, 2, 2, 2)
    )


def test_one_pixel_is_spread_as_the_binomial_filter() -> None:
    pixel = torch.zeros(1, 1, 4, 4)
    pixel[0, 0, 1, 1] = 64.0
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    torch.testing.assert_close(blur(pixel, padding=2)[0, 0, :4, :4], torch.outer(taps, taps))


def test_channels_do_not_meet() -> None:
    x = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(upsample(x)[:, 1:2], upsample(x[:, 1:2]))


def test_a_latent_is_brought_to_a_mean_square_of_one() -> None:
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalize_latent(7 * z).square().mean(1), torch.ones(3))


@pytest.mark.parametrize("operation", [upsample, lambda x: blur(x, padding=2), lambda x: blur(x, padding=1, stride=2)])
def test_resampling_is_twice_differentiable(operation: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert gradcheck(operation, x)
    assert gradgradcheck(operation, x)


@pytest.mark.parametrize(("padding", "stride"), [(1, 1), (2, 1), (1, 2)])
def test_the_filter_and_its_gradients_of_all_orders_are_right(padding: int, stride: int) -> None:
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def filtered(some: Tensor) -> Tensor:
        return blur(some, padding=padding, stride=stride, gain=2.0)

    assert gradcheck(filtered, x)
    assert gradgradcheck(filtered, x)
    assert gradcheck(upsample, x)
    assert gradgradcheck(upsample, x)


def test_a_double_backward_through_the_filter_computes_no_gradient_of_the_filter() -> None:
    x = torch.randn(1, 16, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(blur(x, padding=2).square().sum(), x, create_graph=True)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        gradient.square().sum().backward()  # type: ignore[no-untyped-call]
    convolutions = [event for event in seen.events() if event.name == "aten::convolution"]
    assert 1 <= len(convolutions) <= 4  # not one for each of the 16 channels
