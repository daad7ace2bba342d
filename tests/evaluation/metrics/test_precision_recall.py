"""Precision, recall, density and coverage against the package of the density's authors, and where they are known."""

from dataclasses import astuple

import pytest
import torch
from prdc import compute_prdc
from torch import Tensor

from lfsgan_cli.evaluation.metrics import precision_recall as module
from lfsgan_cli.evaluation.metrics.precision_recall import Overlap, TooFewNeighboursError, manifold, overlap


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_prdc(reals: Tensor, fakes: Tensor, k: int) -> Overlap:
    """The package's numbers; it has one k for all four."""
    return Overlap(**compute_prdc(reals.double().numpy(), fakes.double().numpy(), nearest_k=k))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m"), [(60, 60), (25, 80), (80, 25)])
def test_random_features_have_the_numbers_of_prdc(n: int, m: int, k: int) -> None:
    reals, fakes = normal(m, 8, seed=0), 0.9 * normal(n, 8, seed=1) + 0.3
    found = overlap(manifold(fakes), manifold(reals), k=k, k_density=k)
    assert astuple(found) == pytest.approx(astuple(by_prdc(reals, fakes, k)), rel=1e-12)
    assert 0 < found.precision < 1  # the two overlap in part, or equality would say little
    assert 0 < found.recall < 1


@pytest.mark.parametrize("k", [3, 5])
def test_real_features_have_the_numbers_of_prdc(avatars: Tensor, k: int) -> None:
    reals, fakes = avatars[::2], avatars[1::2]  # both hold five portraits of each of three styles
    found = overlap(manifold(fakes), manifold(reals), k=k, k_density=k)
    assert astuple(found) == pytest.approx(astuple(by_prdc(reals, fakes, k)), rel=1e-12)
    assert found.density > 0


def test_by_default_each_pair_has_the_k_of_its_paper() -> None:
    reals, fakes = normal(50, 6, seed=2), normal(50, 6, seed=3) * 0.8
    found, three, five = overlap(manifold(fakes), manifold(reals)), by_prdc(reals, fakes, 3), by_prdc(reals, fakes, 5)
    assert astuple(found) == pytest.approx((three.precision, three.recall, five.density, five.coverage), rel=1e-12)


def test_distances_in_pieces_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    reals, fakes = normal(41, 6, seed=4), normal(30, 6, seed=5)
    whole = overlap(manifold(fakes), manifold(reals))
    monkeypatch.setattr(module, "_BLOCK", 90)  # two or three rows at a time, and a remainder
    assert overlap(manifold(fakes), manifold(reals)) == whole


def test_one_manifold_of_the_reals_serves_several_tasks() -> None:
    reals, tasks = normal(40, 6, seed=6), [normal(20, 6, seed=7), normal(30, 6, seed=8)]
    known = manifold(reals)
    before = known.features.clone()
    assert [overlap(manifold(task), known) for task in tasks] == [
        overlap(manifold(task), manifold(reals)) for task in tasks
    ]
    assert torch.equal(known.features, before)


@pytest.mark.parametrize("offset", [0, 1000])
def test_a_copy_of_the_reals_is_as_good_as_they_are(avatars: Tensor, offset: int) -> None:
    """Each ball holds its own image and the k - 1 nearer ones, so the density is 1; the k-th lies on the border.

    Far from the origin too, where rounding could put it inside.
    """
    reals = avatars.double() + offset
    assert overlap(manifold(reals.flip(0)), manifold(reals)) == Overlap(1, 1, 1, 1)


def test_images_far_from_the_reals_have_nothing_of_them(avatars: Tensor) -> None:
    assert overlap(manifold(avatars + 10), manifold(avatars)) == Overlap(0, 0, 0, 0)


def test_one_image_generated_over_and_over_is_precise_and_covers_little(avatars: Tensor) -> None:
    """A collapsed generator: inside the reals' region, but its own region is a point that holds no other image."""
    collapsed = avatars[:1].repeat(30, 1)
    found = overlap(manifold(collapsed), manifold(avatars))
    assert found.precision == 1
    assert found.recall == 0
    assert found.coverage < 0.5


def test_four_points_on_a_line_by_hand() -> None:
    """Reals at 0, 1, 3, 7 with k=1: radii 1, 1, 2, 4. Fakes at 2.5, 3.2, 20 with k=1: radii 0.7, 0.7, 16.8."""
    reals, fakes = (torch.tensor(places, dtype=torch.float64)[:, None] for places in ([0, 1, 3, 7], [2.5, 3.2, 20]))
    found = overlap(manifold(fakes, k=1), manifold(reals, k=1), k=1, k_density=1)
    assert found.precision == pytest.approx(2 / 3)  # 20 is in no ball
    assert found.recall == pytest.approx(2 / 4)  # 3 is near both others, and 7 in the ball of 20
    assert found.density == pytest.approx(3 / 3)  # 2.5 in the ball of 3; 3.2 in those of 3 and of 7
    assert found.coverage == pytest.approx(2 / 4)  # 3 and 7


def test_as_many_images_as_neighbours_are_too_few() -> None:
    with pytest.raises(TooFewNeighboursError, match=r"5 images with k=5 neighbours: expected more than 5"):
        manifold(normal(5, 4, seed=0))
    manifold(normal(5, 4, seed=0), k=4)


def test_a_manifold_of_fewer_neighbours_says_so() -> None:
    small = manifold(normal(9, 4, seed=0), k=2)
    with pytest.raises(ValueError, match="k=3: expected 2 or less"):
        overlap(small, small)
