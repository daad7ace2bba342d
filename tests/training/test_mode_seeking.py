"""Mode seeking compares true members of a cluster; the published value is reproduced beside it."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from lfsgan_cli.training.losses import Pairs, mode_seeking_loss, pair_ratios, pairs_of

if TYPE_CHECKING:
    from tests.training.conftest import Reference

Close = Callable[[Tensor, Tensor], None]

EPSILON = 1e-5  # that of the public code
cluster_wise = partial(pairs_of, compared="members", reduction="mean")
published = partial(pairs_of, compared="first", reduction="sum")


@pytest.mark.parametrize("clusters", ["even", "uneven"])
@pytest.mark.parametrize(("rule", "name"), [(published, "official"), (cluster_wise, "corrected_reference")])
def test_values_and_gradients_are_the_reference(
    reference: "Reference", clusters: str, rule: Callable[[Tensor], Pairs], name: str, close: Close
) -> None:
    numbers, features = reference.numbers, list[Tensor]()
    z, indices, result = numbers["cms.z"], numbers[f"cms.{clusters}.indices"], f"out.cms.{clusters}.{name}"
    w = reference.generator.mapping(z)
    images = reference.generator.synthesis(reference.generator.spread(w), None, features)
    pairs = rule(indices)
    value = mode_seeking_loss(pair_ratios(z, w, features, images, pairs), pairs, EPSILON)
    close(w, numbers["out.cms.w"])
    close(1 / value - EPSILON, numbers[f"{result}.before_inverse"])
    close(value, numbers[result])
    value.backward()  # type: ignore[no-untyped-call]
    close(reference.left_gradient(), numbers[f"{result}.grad_left"])


def ratios(pairs: dict[tuple[int, int], float], count: int) -> Tensor:
    """A hand-made table: the given pairs, and an absurd value for every other."""
    table = torch.full((count, count), 1e6)
    for (first, second), value in pairs.items():
        table[first, second] = table[second, first] = value
    return table


def loss(table: Tensor, clusters: Tensor, rule: Callable[[Tensor], Pairs] = cluster_wise) -> float:
    """The loss where the ratio of two samples is the table's."""
    pairs = rule(clusters)
    return mode_seeking_loss(table[pairs.first, pairs.second], pairs, EPSILON).item()


def test_only_pairs_of_one_cluster_are_compared() -> None:
    clusters = torch.tensor([7, 3, 7, 3, 7])
    table = ratios({(0, 2): 1.0, (0, 4): 2.0, (2, 4): 6.0, (1, 3): 5.0}, 5)
    # Cluster 7: mean of three pairs, 3; cluster 3: 5; their mean: 4.
    assert loss(table, clusters) == pytest.approx(1 / 4, rel=1e-4)


def test_a_cluster_of_one_counts_for_nothing() -> None:
    assert loss(ratios({(0, 2): 4.0}, 3), torch.tensor([0, 1, 0])) == pytest.approx(1 / 4, rel=1e-4)


@pytest.mark.parametrize("rule", [cluster_wise, published])
def test_without_any_pair_there_is_nothing_to_seek(rule: Callable[[Tensor], Pairs]) -> None:
    assert loss(ratios({}, 3), torch.tensor([0, 1, 2]), rule) == 0


@pytest.mark.parametrize("members", [2, 8, 16])
def test_a_collapse_costs_as_much_whatever_the_size_of_the_cluster(members: int) -> None:
    table = torch.full((16, 16), 0.5)
    clusters = torch.cat([torch.zeros(members), torch.arange(1, 17 - members)])
    assert loss(table, clusters) == pytest.approx(1 / 0.5, rel=1e-4)


def test_latents_that_fell_together_cost_the_bound_and_have_gradients_that_are_numbers() -> None:
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    w, images = torch.ones(3, 4, requires_grad=True), torch.ones(3, 3, 2, 2, requires_grad=True)
    pairs = cluster_wise(torch.zeros(3))
    value = mode_seeking_loss(pair_ratios(z, w, [images], images, pairs), pairs, epsilon=1.0)
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == pytest.approx(1.0)
    assert all(bool(x.grad is not None and x.grad.isfinite().all()) for x in (w, images))


def test_the_loss_is_bounded_when_all_images_are_one() -> None:
    assert loss(torch.zeros(4, 4), torch.zeros(4)) == pytest.approx(1 / EPSILON)


def test_ratios_by_hand() -> None:
    z, w = torch.tensor([[0.0, 0.0], [2.0, 4.0]]), torch.tensor([[0.0, 0.0], [1.0, 2.0]])  # apart by 3 and by 1.5
    features = [torch.zeros(2, 1, 1, 1), torch.tensor([0.0, 6.0]).reshape(2, 1, 1, 1)]  # by 0 and by 6: 3 in the mean
    images = torch.tensor([0.0, 1.5]).reshape(2, 1, 1, 1).expand(2, 3, 2, 2)
    pairs = cluster_wise(torch.tensor([5, 5]))
    assert pair_ratios(z, w, features, images, pairs).tolist() == pytest.approx([1.5 / 3 + 3 / 1.5 + 1.5 / 1.5])
