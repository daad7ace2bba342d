"""Latents come from the generator that is passed in, mixed as often and wherever style mixing says."""

import torch

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.batches import RandomSource, mixed


def draws(seed: int = 0) -> RandomSource:
    return RandomSource(seed, torch.device("cpu"))


def test_without_mixing_all_layers_share_one_w() -> None:
    generator, z = tiny_generator(), draws().normal(2, 16)
    assert torch.equal(mixed(generator, z, 0.0, draws()), generator.spread(generator.mapping(z)))


def test_mixing_changes_over_once_from_a_layer_after_the_first() -> None:
    generator, z = tiny_generator(), draws().normal(2, 16)
    w = generator.mapping(z)
    crossovers = set()
    for seed in range(100):
        ws = mixed(generator, z, 1.0, draws(seed))
        from_z = torch.isclose(ws, w[:, None]).all(2).all(0).tolist()  # a batch of four may round unlike one of two
        assert from_z == sorted(from_z, reverse=True)
        crossovers.add(sum(from_z))
    assert crossovers == set(range(1, generator.config.latents))


def test_nine_of_ten_batches_are_mixed_at_a_probability_of_nine_tenths() -> None:
    generator, z = tiny_generator(), draws().normal(1, 16)
    plain = generator.spread(generator.mapping(z))
    count = sum(not torch.equal(mixed(generator, z, 0.9, draws(seed)), plain) for seed in range(200))
    assert 165 < count < 195  # 180 expected, 4.2 standard deviation
