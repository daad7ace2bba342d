"""One seed, one image: whatever is generated before, after or beside it."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from lfsgan_cli.generation.sampling import (
    W_AVG_SAMPLES,
    NoiseMode,
    latent,
    mean_w,
    sample,
    to_pixels,
)
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.testing import tiny_generator

NOISES: tuple[NoiseMode, ...] = ("seed", "const", "none")
SEEDS = [0, 7, 2**32 - 1, 3, 12]


def pictures(generator: Generator, seeds: list[int], **style: object) -> Tensor:
    return torch.cat(list(sample(generator, seeds, **style))).int()  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_z_is_what_nvidias_tools_draw(seed: int) -> None:
    config = tiny_generator().config
    expected = np.random.RandomState(seed).randn(1, config.w_dim)
    assert torch.equal(latent(np.random.RandomState(seed), config), torch.from_numpy(expected).float())


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("batch", [1, 2, 3, 16])
def test_an_image_does_not_depend_on_the_batch(noise: NoiseMode, batch: int) -> None:
    generator = tiny_generator()
    alone = torch.cat([pictures(generator, [seed], noise=noise) for seed in SEEDS])
    # One level of 255: another batch may add in another order.
    assert (pictures(generator, SEEDS, noise=noise, batch=batch) - alone).abs().max() <= 1


def test_images_come_in_the_order_of_their_seeds_in_batches() -> None:
    generator = tiny_generator()
    batches = list(sample(generator, SEEDS, batch=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert all(batch.dtype == torch.uint8 and batch.shape[1:] == (3, 16, 16) for batch in batches)
    backwards = pictures(generator, SEEDS[::-1])
    assert (torch.cat(batches).int() - backwards.flip(0)).abs().max() <= 1


def test_constant_noise_is_the_networks_own() -> None:
    generator = tiny_generator()
    z = torch.cat([latent(np.random.RandomState(seed), generator.config) for seed in SEEDS])
    assert torch.equal(pictures(generator, SEEDS, noise="const"), to_pixels(generator(z)).int())


def test_no_noise_is_a_network_whose_noise_is_zero() -> None:
    generator = tiny_generator()
    silent = copy.deepcopy(generator)
    for name, buffer in silent.named_buffers():
        if name.endswith("noise.const"):
            buffer.zero_()
    assert torch.equal(pictures(generator, SEEDS, noise="none"), pictures(silent, SEEDS, noise="const"))


def test_the_three_noises_differ() -> None:
    generator = tiny_generator()
    drawn = [pictures(generator, SEEDS, noise=noise) for noise in NOISES]
    assert not any(torch.equal(drawn[i], drawn[j]) for i in range(3) for j in range(i))


def test_seeded_noise_differs_from_seed_to_seed() -> None:
    # Truncated to the mean image, nothing but the noise is left to differ.
    first, second = pictures(tiny_generator(), [0, 1], noise="seed", truncation=0.0)
    assert not torch.equal(first, second)
    first, second = pictures(tiny_generator(), [0, 1], noise="const", truncation=0.0)
    assert torch.equal(first, second)


def test_black_white_and_grey_are_what_nvidias_tools_make_of_them() -> None:
    levels = torch.tensor([-9.0, -1.0, 0.0, 1.0, 9.0])
    assert to_pixels(levels).tolist() == [0, 0, 128, 255, 255]


def test_the_mean_latent_is_that_of_10_000_z_of_seed_0() -> None:
    generator = tiny_generator()
    z = np.random.RandomState(0).randn(10_000, generator.config.w_dim)
    expected = generator.mapping(torch.from_numpy(z).float()).double().mean(0).float()
    assert len(z) == W_AVG_SAMPLES
    assert torch.equal(mean_w(generator), expected)
