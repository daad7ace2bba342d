"""A mapping learns to draw codes as they are spread, also where they form groups, and the same way every time."""

import copy
from itertools import islice

import pytest
import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Mapping
from lfsgan_cli.training.latent_flow import CodeFlow, fit_mapping

CONFIG = NetworkConfig(resolution=16, channels={4: 8, 8: 8, 16: 8}, w_dim=16, mapping_layers=4)
UPDATES = 1000


def grouped(count: int, seed: int) -> Tensor:
    """Codes in two groups, a quarter of them in the second, that differ in three directions of 16 only."""
    random = torch.Generator().manual_seed(seed)
    codes = torch.zeros(count, 16)
    codes[:, :3] = 0.3 * torch.randn(count, 3, generator=random)
    codes[:, 0] += torch.where(torch.rand(count, generator=random) < 0.25, 3.0, -1.0)
    turned: Tensor = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(9)))[0]
    return codes @ turned


def new_mapping() -> Mapping:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Mapping(CONFIG)


@torch.no_grad()
def drawn(mapping: Mapping, count: int = 2000) -> Tensor:
    w: Tensor = mapping(torch.randn(count, 16, generator=torch.Generator().manual_seed(5)))
    return w


def energy_distance(a: Tensor, b: Tensor) -> float:
    return float(2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())


@pytest.fixture(scope="module")
def fitted() -> Mapping:
    mapping = new_mapping()
    for _ in fit_mapping(mapping, grouped(1000, 0), UPDATES, seed=2):
        pass
    return mapping


def test_the_mapping_draws_codes_that_it_has_not_seen(fitted: Mapping) -> None:
    others = grouped(2000, 1)
    before, after = (energy_distance(drawn(one), others) for one in (new_mapping(), fitted))
    assert after < 0.1 * before


def test_every_group_is_drawn_as_often_as_it_occurs(fitted: Mapping) -> None:
    codes = grouped(2000, 1)
    groups = torch.stack([codes[codes @ codes[0] > 0].mean(0), codes[codes @ codes[0] < 0].mean(0)])
    shares = [
        torch.bincount(torch.cdist(one, groups).argmin(1), minlength=2) / len(one) for one in (codes, drawn(fitted))
    ]
    assert torch.allclose(shares[0], shares[1], atol=0.08)


def test_the_flow_moves_codes_only_in_directions_in_which_they_differ() -> None:
    flow = CodeFlow(grouped(1000, 0))
    assert flow.directions.shape == (16, 3)
    moved = flow.codes_of(torch.randn(100, 16, generator=torch.Generator().manual_seed(0)))
    across = (moved - flow.mean) - (moved - flow.mean) @ flow.directions @ flow.directions.T
    assert float(across.abs().max()) < 1e-5


def test_equal_arguments_give_equal_weights_and_nothing_changes_before_the_end() -> None:
    mapping, again = new_mapping(), new_mapping()
    start = copy.deepcopy(mapping.state_dict())
    for _ in islice(fit_mapping(mapping, grouped(50, 0), 30, seed=2), 20):
        pass
    assert all(torch.equal(value, start[name]) for name, value in mapping.state_dict().items())
    torch.randn(7)  # what others draw meanwhile does not count
    for one in (mapping, again):
        for _ in fit_mapping(one, grouped(50, 0), 30, seed=2):
            pass
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in mapping.state_dict().items())
    assert not any(torch.equal(value, start[name]) for name, value in mapping.state_dict().items())


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_images_are_enough_for_finite_weights(count: int) -> None:
    mapping = new_mapping()
    for _ in fit_mapping(mapping, grouped(count, 0), 5, seed=0):
        pass
    assert all(bool(value.isfinite().all()) for value in mapping.state_dict().values())
