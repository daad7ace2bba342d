"""Matrix products resize and move images as PyTorch's own kernels do, and can be differentiated twice."""

from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from lfsgan_cli.networks.layers import resized, resized_by_products, translated


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [5, 16, 40])
def test_products_resize_as_pytorch_does(mode: Literal["bilinear", "bicubic"], antialias: bool, size: int) -> None:
    images = noise(2, 3, 16, 12)
    expected = F.interpolate(images, size=(size, size), mode=mode, antialias=antialias, align_corners=False)
    torch.testing.assert_close(resized_by_products(images, size, mode, antialias=antialias), expected)
    assert torch.equal(resized(images, size, mode, antialias=antialias), expected)  # on a CPU nothing changes


def test_translation_is_a_crop_of_the_image_with_repeated_edges() -> None:
    images, offsets = noise(4, 3, 6, 8), [(0, 0), (2, -1), (-2, 2), (1, 2)]
    moved = translated(images, offsets)
    grown = F.pad(images, (2, 2, 2, 2), mode="replicate")
    for one, whole, (down, right) in zip(moved, grown, offsets, strict=True):
        assert torch.equal(one, whole[:, 2 - down : 8 - down, 2 - right : 10 - right])


def test_both_have_second_derivatives() -> None:
    images = noise(1, 1, 4, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: resized_by_products(x, 3, "bicubic", antialias=True).square(), images)
    assert torch.autograd.gradgradcheck(lambda x: translated(x, [(1, -1)]).square(), images)


def test_half_precision_stays_half_precision() -> None:
    images = noise(1, 3, 8, 8).bfloat16()
    assert translated(images, [(1, 1)]).dtype == torch.bfloat16
    assert resized_by_products(images, 4, "bilinear", antialias=True).dtype == torch.bfloat16


@pytest.mark.gpu
def test_gradients_on_a_gpu_are_the_same_every_time() -> None:
    images = noise(8, 3, 64, 64).cuda().requires_grad_()
    offsets = [(index - 4, 4 - index) for index in range(8)]
    gradients = []
    for _ in range(5):
        seen = resized(translated(images, offsets), 224, "bicubic", antialias=True)
        gradients.append(torch.autograd.grad(seen.square().sum(), images)[0])
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
