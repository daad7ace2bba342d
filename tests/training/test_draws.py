"""All randomness of a run comes from its own generators."""

import torch

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.batches import RandomSource


def draws() -> RandomSource:
    return RandomSource(0, torch.device("cpu"))


def test_equal_seeds_give_equal_draws_and_torchs_own_state_is_not_touched() -> None:
    state, config = torch.get_rng_state(), tiny_generator().config
    first, second = draws(), draws()
    for one, other in ((first.normal(3, 4), second.normal(3, 4)), (first.uniform(5), second.uniform(5))):
        assert torch.equal(one, other)
    pairs = zip(first.noises(config, 2) or (), second.noises(config, 2) or (), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_convolution_gets_noise_of_its_size() -> None:
    config = tiny_generator().config
    noises = draws().noises(config, 2)
    assert noises is not None
    assert [noise.shape for noise in noises] == [(2, 1, side, side) for side in config.noise_sides]
