"""The Fréchet distance against closed forms, against a matrix root by brute force, and against SciPy's."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from lfsgan_cli.evaluation.metrics.fid import distance, frechet_distance, statistics
from lfsgan_cli.evaluation.registry import TooFewToMeasureError, over_blocks, split


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixed(count: int, dim: int, seed: int) -> Tensor:
    """Features whose dimensions depend on one another and whose mean is not zero."""
    return normal(count, dim, seed=seed) @ normal(dim, dim, seed=seed + 1) + normal(dim, seed=seed + 2)


def symmetric_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T
    return root


def by_covariances(x: Tensor, y: Tensor) -> float:
    """The published formula as it is written, with tr (Σ₁Σ₂)^½ = tr (Σ₁^½ Σ₂ Σ₁^½)^½."""
    first, second = torch.cov(x.T), torch.cov(y.T)
    root = symmetric_root(first)
    shared = symmetric_root(root @ second @ root)
    means = (x.mean(0) - y.mean(0)).square().sum()
    return float(means + torch.trace(first + second - 2 * shared))


def by_sqrtm(x: Tensor, y: Tensor) -> float:
    """As pytorch-fid and clean-fid write it: tr (Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½) by `scipy.linalg.sqrtm`."""
    first, second = (np.cov(features.numpy(), rowvar=False) for features in (x, y))
    means = np.square(x.numpy().mean(0) - y.numpy().mean(0)).sum()
    return float(means + np.trace(first + second - 2 * sqrtm(first @ second).real))


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_random_features_have_the_distance_that_scipy_gives(shift: float) -> None:
    x, y = mixed(300, 64, seed=120), mixed(200, 64, seed=130) + shift
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x, y), rel=1e-4)


def test_real_features_have_the_distance_that_scipy_gives(avatars: Tensor) -> None:
    """Twenty portraits against ten, in the 8 features that vary most: sqrtm needs covariances of full rank."""
    columns = avatars[:, avatars.std(0).topk(8).indices].double()
    assert torch.linalg.matrix_rank(columns[20:] - columns[20:].mean(0)) == 8
    assert frechet_distance(columns[:20], columns[20:]) == pytest.approx(by_sqrtm(columns[:20], columns[20:]), rel=1e-4)


SIZES = {
    "both below the dimension": (5, 9),
    "one below, one above": (7, 60),
    "both above": (60, 80),
    "exactly the dimension": (12, 12),
}


@pytest.mark.parametrize(("n", "m"), SIZES.values(), ids=SIZES.keys())
def test_it_is_the_published_formula_for_any_number_of_images(n: int, m: int) -> None:
    x, y = mixed(n, 12, seed=0), mixed(m, 12, seed=10)
    # A singular covariance costs the reference the square root of the precision, so half of float64's 16 digits.
    assert frechet_distance(x, y) == pytest.approx(by_covariances(x, y), rel=1e-6)


def test_a_covariance_of_full_rank_agrees_with_newtons_iteration() -> None:
    """Denman-Beavers finds (Σ₁Σ₂)^½ itself, with inverses alone: no eigenvalue, no singular value."""
    x, y = mixed(300, 6, seed=20), mixed(400, 6, seed=30)
    first, second = torch.cov(x.T), torch.cov(y.T)
    root, inverse = first @ second, torch.eye(6, dtype=torch.float64)
    for _ in range(40):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    torch.testing.assert_close(root @ root, first @ second)
    expected = (x.mean(0) - y.mean(0)).square().sum() + torch.trace(first + second - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-9)


def axes(scales: Tensor, mean: Tensor) -> Tensor:
    """2·D samples at ±scale on each axis: exactly this mean, and a diagonal covariance of 2·scale² / (2·D - 1)."""
    return torch.cat([scales.diag(), -scales.diag()]) + mean


def test_two_gaussians_with_diagonal_covariances_have_a_closed_form() -> None:
    dim = 8
    (s, t), (m, k) = normal(2, dim, seed=40).abs(), normal(2, dim, seed=41)
    spread = 2 / (2 * dim - 1)
    expected = (m - k).square().sum() + spread * (s - t).square().sum()
    assert frechet_distance(axes(s, m), axes(t, k)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("count", [5, 200])
def test_a_set_has_no_distance_to_itself_in_another_order(count: int) -> None:
    x = mixed(count, 12, seed=50)
    total = float(torch.cov(x.T).trace())
    assert 0 <= frechet_distance(x, x.flip(0)) < 1e-12 * total


def test_a_shift_alone_is_its_squared_length() -> None:
    x, shift = mixed(40, 12, seed=60), normal(12, seed=61)
    assert frechet_distance(x, x + shift) == pytest.approx(float(shift.square().sum()), rel=1e-9)


def test_it_is_symmetric() -> None:
    x, y = mixed(7, 12, seed=70), mixed(60, 12, seed=80)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-12)


def test_statistics_of_the_reals_serve_several_tasks() -> None:
    reals, tasks = mixed(60, 12, seed=90), [mixed(20, 12, seed=91), mixed(30, 12, seed=92)]
    known = statistics(reals)
    assert [distance(statistics(task), known) for task in tasks] == [frechet_distance(task, reals) for task in tasks]
    assert known.root.shape == (12, 12)  # no larger than the covariance, however many the reals


def test_float32_features_are_measured_in_float64() -> None:
    x, y = mixed(30, 12, seed=100).float(), mixed(40, 12, seed=110).float()
    assert frechet_distance(x, y) == frechet_distance(x.double(), y.double())


def test_one_image_is_refused() -> None:
    with pytest.raises(TooFewToMeasureError, match="one image"):
        frechet_distance(mixed(1, 12, seed=0), mixed(5, 12, seed=1))


def test_real_images_in_blocks_of_one_style_each_differ_more_than_mixed_ones(avatars: Tensor) -> None:
    """Blocks are runs: in their order the thirty portraits make three styles, dealt out in turn they make none."""
    known = statistics(avatars)

    def deviation(features: Tensor) -> float:
        error = over_blocks([{"fid": (distance(statistics(part), known), None)} for part in split(features, 3)])["fid"][
            1
        ]
        assert error is not None
        return error

    mixed = torch.cat([avatars[start::3] for start in range(3)])
    assert deviation(avatars) > 2 * deviation(mixed)
