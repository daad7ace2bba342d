"""Latents come from the generator that is passed in, mixed as often and wherever style mixing says."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.latents import Anchors, mixed, most_alike, noises, normal


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equal_generators_give_equal_draws_and_torchs_own_state_is_not_touched() -> None:
    state = torch.get_rng_state()
    config = tiny_generator().config
    assert torch.equal(normal(3, 4, rng()), normal(3, 4, rng()))
    assert all(torch.equal(a, b) for a, b in zip(noises(config, 2, rng()), noises(config, 2, rng()), strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_every_convolution_gets_noise_of_its_size() -> None:
    config = tiny_generator().config
    assert [noise.shape for noise in noises(config, 2, rng())] == [(2, 1, side, side) for side in config.noise_sides]


def test_without_mixing_all_layers_share_one_w() -> None:
    generator, z = tiny_generator(), normal(2, 16, rng())
    assert torch.equal(mixed(generator, z, 0.0, rng(), rng()), generator.spread(generator.mapping(z)))


def test_mixing_changes_over_once_from_a_layer_after_the_first() -> None:
    generator, z = tiny_generator(), normal(2, 16, rng())
    w = generator.mapping(z)
    crossovers = set()
    for seed in range(100):
        ws = mixed(generator, z, 1.0, rng(seed + 1), rng(seed))
        from_z = (ws == w[:, None]).all(2).all(0).tolist()
        assert from_z == sorted(from_z, reverse=True)
        crossovers.add(sum(from_z))
    assert crossovers == set(range(1, generator.config.latents))


def test_nine_of_ten_batches_are_mixed_at_a_probability_of_nine_tenths() -> None:
    generator, z = tiny_generator(), normal(1, 16, rng())
    plain = generator.spread(generator.mapping(z))
    count = sum(not torch.equal(mixed(generator, z, 0.9, rng(seed + 1), rng(seed)), plain) for seed in range(200))
    assert 165 < count < 195  # 180 expected, 4.2 standard deviation


POINTS = torch.tensor([[1000.0, 0.0], [-1000.0, 0.0]])


def test_samples_name_the_shots_that_their_anchors_stand_for_each_as_often() -> None:
    shots = torch.tensor([7, 3])
    near = Anchors(POINTS, shots, 0.1).near(4000, rng())
    side = (near.z[:, 0] < 0).long()
    assert torch.equal(near.shots, shots[side])
    assert 1800 < int(side.sum()) < 2200  # either with a chance of one half


def test_samples_are_at_their_anchors_and_anywhere_up_to_the_spread() -> None:
    near = Anchors(POINTS[:1], torch.tensor([0]), 2.0).near(20_000, rng())
    offsets = near.z - POINTS[0]
    # A deviation uniform from 0 to 2 has a mean square of 4/3.
    assert float(offsets.square().mean()) == pytest.approx(4 / 3, rel=0.05)
    assert float((offsets.abs() < 0.1).float().mean()) > 0.1  # a single normal of that variance has 0.07


def test_closeness_is_the_cosine_between_sample_and_anchor() -> None:
    anchor = normal(1, 4096, rng(1))
    near = Anchors(anchor, torch.tensor([0]), 3.0).near(50, rng())
    cosine = torch.nn.functional.cosine_similarity(near.z, anchor)
    assert float((near.closeness - cosine).abs().max()) < 0.1  # of 4,096 random directions, each is off by 1/64


LEVELS = torch.tensor([-0.5, 0.0, 0.1, 0.8])


def in_brightness(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3))[:, None] - LEVELS).abs()


def anchors(each: int, candidates: int) -> tuple[Tensor, Tensor]:
    return most_alike(tiny_generator(), in_brightness, len(LEVELS), each=each, candidates=candidates, rng=rng())


def test_the_anchors_of_a_single_shot_draw_the_most_alike_of_all_candidates() -> None:
    generator = tiny_generator()
    z = normal(120, 16, rng())  # the candidates, drawn as `most_alike` draws them
    distances = in_brightness(generator(z))[:, 0]
    points, _ = most_alike(generator, lambda images: in_brightness(images)[:, :1], 1, each=3, candidates=120, rng=rng())
    assert torch.equal(points, z[distances.argsort()[:3]])


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("candidates", [0, 3, 120])
def test_every_shot_has_as_many_anchors_of_its_own(each: int, candidates: int) -> None:
    points, owners = anchors(each, candidates)
    assert owners.bincount().tolist() == [each] * len(LEVELS)
    assert len({tuple(point.tolist()) for point in points}) == each * len(LEVELS)


def test_more_candidates_give_anchors_that_are_more_alike() -> None:
    generator = tiny_generator()
    few, many = (
        in_brightness(generator(points)).gather(1, owners[:, None]).mean()
        for points, owners in (anchors(2, 0), anchors(2, 500))
    )
    assert many < few
