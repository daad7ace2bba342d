"""KID against the published formula as two nested loops, on random features and on those of real images."""

from itertools import product

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation.metrics import kid as module
from lfsgan_cli.evaluation.metrics.kid import draw_subsets, kid
from lfsgan_cli.evaluation.registry import TooFewToMeasureError


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(x: Tensor, y: Tensor) -> float:
    return float((torch.dot(x.double(), y.double()) / len(x) + 1) ** 3)


def by_loops(x: Tensor, y: Tensor) -> float:
    """Eq. 4 of Binkowski et al. (2018), pair by pair."""
    of_x = [kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    of_y = [kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    across = [kernel(a, b) for a, b in product(x, y)]
    return sum(of_x) / len(of_x) + sum(of_y) / len(of_y) - 2 * sum(across) / len(across)


def test_random_features_have_the_kid_that_a_double_loop_gives() -> None:
    x, y = normal(12, 7, seed=0), normal(12, 7, seed=1) + 0.3
    assert kid(x, y).value == pytest.approx(by_loops(x, y), rel=1e-10)


def test_real_features_have_the_kid_that_a_double_loop_gives(avatars: Tensor) -> None:
    lorelei, notionists = avatars[:10], avatars[10:20]
    assert kid(lorelei, notionists).value == pytest.approx(by_loops(lorelei, notionists), rel=1e-10)


@pytest.mark.parametrize(
    "subsets",
    [pytest.param(3, id="each subset by itself is less work"), pytest.param(40, id="all pairs at once are less work")],
)
def test_subsets_are_measured_one_by_one_or_out_of_all_pairs_alike(avatars: Tensor, subsets: int) -> None:
    x, y = avatars[:16], avatars[16:]
    chosen = draw_subsets(16, 14, subsets=subsets, size=6, seed=5)
    values = torch.tensor([by_loops(x[i], y[j]) for i, j in chosen], dtype=torch.float64)
    found = kid(x, y, subsets=subsets, size=6, seed=5)
    assert found.value == pytest.approx(float(values.mean()), rel=1e-10)
    assert found.error == pytest.approx(float(values.std()) / subsets**0.5, rel=1e-9)
    assert (found.subsets, found.size) == (subsets, 6)


@pytest.mark.parametrize("subsets", [2, 30])
def test_kernels_larger_than_a_block_give_the_same(monkeypatch: pytest.MonkeyPatch, subsets: int) -> None:
    x, y = normal(23, 5, seed=2), normal(19, 5, seed=3)
    whole = kid(x, y, subsets=subsets, size=9)
    monkeypatch.setattr(module, "_BLOCK", 40)  # two rows at a time, and one left over
    assert kid(x, y, subsets=subsets, size=9).value == pytest.approx(whole.value, rel=1e-10)


def test_subsets_hold_different_images_and_follow_the_seed() -> None:
    first = draw_subsets(20, 30, subsets=4, size=10, seed=0)
    again = draw_subsets(20, 30, subsets=4, size=10, seed=0)
    other = draw_subsets(20, 30, subsets=4, size=10, seed=1)
    assert all(len(set(i.tolist())) == len(set(j.tolist())) == 10 for i, j in first)
    assert all(torch.equal(i, k) and torch.equal(j, m) for (i, j), (k, m) in zip(first, again, strict=True))
    assert not torch.equal(first[0][0], other[0][0])
    assert not torch.equal(first[0][0], first[1][0])


def test_the_smaller_set_gives_the_size_of_the_subsets() -> None:
    found = kid(normal(40, 5, seed=4), normal(12, 5, seed=5), subsets=7)
    assert (found.size, found.subsets) == (12, 7)
    assert found.error is not None


def test_all_of_both_sets_is_one_subset_without_an_error() -> None:
    found = kid(normal(12, 5, seed=6), normal(12, 5, seed=7))
    assert (found.size, found.subsets, found.error) == (12, 1, None)


def test_it_is_unbiased_where_the_distributions_are_one() -> None:
    """Within three standard errors of 0 over 300 independent pairs of sets of 5."""
    values = torch.tensor([kid(normal(5, 4, seed=2 * i), normal(5, 4, seed=2 * i + 1)).value for i in range(300)])
    assert abs(values.mean()) < 3 * values.std() / 300**0.5
    assert values.min() < 0


def test_domains_that_look_different_are_further_apart_than_halves_of_one(avatars: Tensor) -> None:
    across = kid(avatars[:10], avatars[20:]).value
    assert across > 3 * abs(kid(avatars[:5], avatars[5:10]).value)


def test_float32_features_are_measured_in_float64() -> None:
    x, y = normal(9, 5, seed=8).float(), normal(9, 5, seed=9).float()
    assert kid(x, y) == kid(x.double(), y.double())


def test_one_image_is_refused() -> None:
    with pytest.raises(TooFewToMeasureError, match="kernel distance of one image"):
        kid(normal(1, 5, seed=0), normal(9, 5, seed=1))


@pytest.mark.parametrize(("subsets", "size"), [(0, 10), (10, 1)])
def test_no_subset_and_subsets_of_one_are_refused(subsets: int, size: int) -> None:
    with pytest.raises(ValueError, match="two images or more"):
        kid(normal(9, 5, seed=0), normal(9, 5, seed=1), subsets=subsets, size=size)
