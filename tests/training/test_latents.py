"""Latents come from the generator that is passed in, mixed as often and wherever style mixing says."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.draws import Draws
from lfsgan_cli.training.latents import Anchors, anywhere, mixed, most_alike, relative


def draws(seed: int = 0) -> Draws:
    return Draws(seed, torch.device("cpu"))


def test_without_mixing_all_layers_share_one_w() -> None:
    generator, z = tiny_generator(), draws().normal(2, 16)
    assert torch.equal(mixed(generator, z, 0.0, draws()), generator.spread(generator.mapping(z)))


def test_mixing_changes_over_once_from_a_layer_after_the_first() -> None:
    generator, z = tiny_generator(), draws().normal(2, 16)
    w = generator.mapping(z)
    crossovers = set()
    for seed in range(100):
        ws = mixed(generator, z, 1.0, draws(seed))
        from_z = (ws == w[:, None]).all(2).all(0).tolist()
        assert from_z == sorted(from_z, reverse=True)
        crossovers.add(sum(from_z))
    assert crossovers == set(range(1, generator.config.latents))


def test_nine_of_ten_batches_are_mixed_at_a_probability_of_nine_tenths() -> None:
    generator, z = tiny_generator(), draws().normal(1, 16)
    plain = generator.spread(generator.mapping(z))
    count = sum(not torch.equal(mixed(generator, z, 0.9, draws(seed)), plain) for seed in range(200))
    assert 165 < count < 195  # 180 expected, 4.2 standard deviation


POINTS = torch.tensor([[1000.0, 0.0], [-1000.0, 0.0]])


def test_samples_name_the_shots_that_their_anchors_stand_for_each_as_often() -> None:
    shots = torch.tensor([7, 3])
    near = Anchors(POINTS, shots, 0.1, "varied").near(4000, draws())
    side = (near.z[:, 0] < 0).long()
    assert torch.equal(near.shots, shots[side])
    assert 1800 < int(side.sum()) < 2200  # either with a chance of one half


def test_samples_are_at_their_anchors_and_anywhere_up_to_the_spread() -> None:
    near = Anchors(POINTS[:1], torch.tensor([0]), 2.0, "varied").near(20_000, draws())
    offsets = near.z - POINTS[0]
    # A deviation uniform from 0 to 2 has a mean square of 4/3.
    assert float(offsets.square().mean()) == pytest.approx(4 / 3, rel=0.05)
    assert float((offsets.abs() < 0.1).float().mean()) > 0.1  # a single normal of that variance has 0.07


def test_closeness_is_the_cosine_between_sample_and_anchor() -> None:
    anchor = draws(1).normal(1, 4096)
    near = Anchors(anchor, torch.tensor([0]), 3.0, "varied").near(50, draws())
    cosine = torch.nn.functional.cosine_similarity(near.z, anchor)
    assert float((near.closeness - cosine).abs().max()) < 0.1  # of 4,096 random directions, each is off by 1/64


def test_fixed_noise_is_as_strong_at_every_sample() -> None:
    near = Anchors(torch.zeros(1, 4096), torch.tensor([0]), 0.1, "fixed").near(50, draws())
    # Of 4,096 numbers of deviation 0.1, the root mean square is off by a hundredth.
    assert near.z.square().mean(1).sqrt().tolist() == pytest.approx([0.1] * 50, rel=0.05)
    assert near.closeness.tolist() == pytest.approx([1.01**-0.5] * 50)


def test_random_anchors_stand_for_every_shot_once() -> None:
    points, owners = anywhere(5, 16, draws())
    assert owners.tolist() == list(range(5))
    assert len({tuple(point.tolist()) for point in points}) == 5


LEVELS = torch.tensor([-0.5, 0.0, 0.1, 0.8])


def in_brightness(images: Tensor) -> Tensor:
    return (images.mean((1, 2, 3))[:, None] - LEVELS).abs()


def anchors(each: int, candidates: int) -> tuple[Tensor, Tensor]:
    return most_alike(tiny_generator(), in_brightness, len(LEVELS), each=each, candidates=candidates, draws=draws())


def test_the_anchors_of_a_single_shot_draw_the_most_alike_of_all_candidates() -> None:
    generator = tiny_generator()
    z = draws().normal(120, 16)  # the candidates, drawn as `most_alike` draws them
    distances = in_brightness(generator(z))[:, 0]
    points, _ = most_alike(
        generator, lambda images: in_brightness(images)[:, :1], 1, each=3, candidates=120, draws=draws()
    )
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


def test_what_is_plain_is_relatively_no_nearer_to_any_shot() -> None:
    # From three shots: a plain picture is nearest to all of them; a marked one is far, but takes after the last.
    table = torch.tensor([[0.2, 0.2, 0.2], [0.9, 0.9, 0.6]])
    compared = relative(lambda _images: table)(torch.zeros(2, 3, 4, 4))
    assert table.argmin(0).tolist() == [0, 0, 0]
    assert compared.argmin(0).tolist() == [0, 0, 1]
