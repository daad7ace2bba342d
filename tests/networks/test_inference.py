"""The convolution with fewer multiplications gives what torch's gives, but for a little more rounding."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.networks import inference
from lfsgan_cli.networks.inference import Winograd, pays

pytestmark = pytest.mark.skipif(not inference._has_products(), reason="needs oneDNN on an x86 processor")

MORE_ROUNDING = 6  # times that of torch's own in fp32; 4 was measured for 128 to 512 channels


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error(result: Tensor, exact: Tensor) -> float:
    return float((result - exact).square().mean().sqrt() / exact.std())


@pytest.mark.parametrize("tiles", [256, 16])  # an image at once, and in bands
def test_it_rounds_hardly_more_than_the_plain_convolution(tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "TILES", tiles)
    x = random(3, 160, 32, 32).contiguous(memory_format=torch.channels_last)
    kernel = random(128, 160, 3, 3, seed=1)
    exact = F.conv2d(x.double(), kernel.double(), padding=1)
    ours = Winograd(kernel, 32)(x)
    assert ours.shape == exact.shape
    assert error(ours, exact) < MORE_ROUNDING * error(F.conv2d(x, kernel, padding=1), exact)


def test_a_kernel_that_moves_an_image_moves_it_and_fills_with_zeros() -> None:
    kernel = torch.zeros(16, 16, 3, 3)
    kernel[range(16), range(16), 0, 2] = 1  # each result is what lies above it, to the right
    x = random(1, 16, 16, 16)
    expected = F.pad(x, (0, 1, 1, 0))[:, :, :-1, 1:]
    torch.testing.assert_close(Winograd(kernel, 16)(x), expected, rtol=0, atol=1e-5)


def test_it_is_taken_for_wide_layers_in_single_precision_alone() -> None:
    wide = torch.zeros(512, 512, 3, 3)
    assert pays(wide, 64)
    assert not pays(wide, 8)
    assert not pays(torch.zeros(64, 128, 3, 3), 64)
    assert not pays(torch.zeros(512, 512, 1, 1), 64)
    assert not pays(wide.bfloat16(), 64)
