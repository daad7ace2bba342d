"""Feature maps in bfloat16 show the same image, and the weights' gradients stay in single precision."""

from typing import Any

import pytest
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.left import LeFT

from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.discriminator import Discriminator, patch_head
from lfsgan_cli.system.device import choose, dtype_of
from lfsgan_cli.testing import tiny_generator

CPU, BF16 = torch.device("cpu"), torch.bfloat16
# Bfloat16 has 8 bits: each rounding is off by up to 1/256, and some twenty of them follow one another.
CLOSE = 0.1


def off(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


@pytest.mark.parametrize("choice", ["fp32", "bf16"])
def test_what_the_user_chose_stands(choice: Any) -> None:
    assert choose(choice, CPU, 1024) == choose(choice, CPU, 16) == choice


def test_small_images_stay_in_single_precision() -> None:
    assert choose("auto", CPU, 64) == "fp32"


def test_devices_that_are_not_known_to_multiply_bfloat16_stay_in_single_precision() -> None:
    assert choose("auto", torch.device("meta"), 1024) == "fp32"


def test_single_precision_means_the_weights_own_type() -> None:
    assert dtype_of("fp32", torch.float64) == torch.float64
    assert dtype_of("bf16", torch.float64) == BF16


def test_an_image_is_nearly_the_same_and_is_given_in_the_weights_type() -> None:
    generator, z = tiny_generator(), torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    plain, half = generator(z), generator(z, dtype=BF16)
    assert half.dtype == torch.float32
    assert not torch.equal(half, plain)
    assert off(half, plain) < CLOSE


def test_feature_maps_take_half_the_memory() -> None:
    generator, features = tiny_generator(), list[torch.Tensor]()
    ws = generator.spread(generator.mapping(torch.randn(1, generator.config.w_dim)))
    generator.synthesis(ws, None, features, BF16)
    assert {feature.dtype for feature in features} == {BF16}


@pytest.mark.parametrize("kind", [LeFT, CAM])
def test_an_adapter_learns_in_single_precision(kind: Any) -> None:
    generator = tiny_generator().requires_grad_(requires_grad=False)
    adapter = kind(generator, kind.Config())
    z = torch.randn(2, generator.config.w_dim, generator=torch.Generator().manual_seed(0))
    gradients = {}
    for dtype in (torch.float32, BF16):
        adapter.zero_grad()
        adapt(generator, adapter)(z, dtype=dtype).square().mean().backward()
        learned = [p.grad for p in adapter.parameters() if p.grad is not None]
        gradients[dtype] = torch.cat([gradient.flatten() for gradient in learned])
    ours, theirs = gradients[BF16], gradients[torch.float32]
    assert ours.dtype == torch.float32
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.98


@torch.no_grad()
def test_logits_are_nearly_the_same_and_in_the_weights_type() -> None:
    config = tiny_generator().config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        discriminator, head = Discriminator(config), patch_head(config)
        images = torch.randn(4, 3, config.resolution, config.resolution)
    plain, half = discriminator(images), discriminator(images.to(BF16))
    assert half.dtype == torch.float32
    assert 0 < off(half, plain) < CLOSE
    patches = head(discriminator.patch_features(images.to(BF16)))
    assert patches.dtype == torch.float32
    assert 0 < off(patches, head(discriminator.patch_features(images))) < CLOSE
