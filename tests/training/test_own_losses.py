"""The losses of `cdc`, `dcl` and `ewc` are their papers' equations: beside naive sums, in float64, to 1e-6."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lfsgan_adapters.full import FullFineTune
from lfsgan_adapters.left import LeFT
from torch import Tensor, nn

from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.recipe import TrainedNetworks
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training import ewc
from lfsgan_cli.training.cdc import CrossDomainCorrespondence, correspondence
from lfsgan_cli.training.dcl import TEMPERATURE, DualContrast, discriminator_contrast, generator_contrast
from lfsgan_cli.training.ewc import ElasticWeights

SAME = 1e-6


def networks(kind: Any = FullFineTune, moved: float = 0.05) -> TrainedNetworks:
    """A tiny base, an adapter that has learned something, and a discriminator, all in float64."""
    base = tiny_generator().double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        adapter, discriminator = kind(base, kind.Config()).double(), Discriminator(base.config).double()
        for parameter in adapter.parameters():
            parameter.data += moved * torch.randn_like(parameter)
    rng = torch.Generator().manual_seed(2)
    references = torch.rand(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return TrainedNetworks(
        base, adapter, adapt(base, adapter), discriminator, references, 3, torch.float64, rng, rng
    )  # fmt: skip


def features(seed: int, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=random, requires_grad=True) for shape in shapes]


def cosine(a: Tensor, b: Tensor) -> float:
    x, y = a.detach().flatten().tolist(), b.detach().flatten().tolist()
    dot: float = sum(p * q for p, q in zip(x, y, strict=True))
    return dot / (math.sqrt(sum(p * p for p in x)) * math.sqrt(sum(q * q for q in y)))


def naive_correspondence(target: list[Tensor], source: list[Tensor], layers: list[int]) -> float:
    total = 0.0
    for i, layer in enumerate(layers):
        others = [j for j in range(len(layers)) if j != i]
        distributions = []
        for found in (target[layer], source[layer]):
            raised = [math.exp(cosine(found[i], found[j])) for j in others]
            distributions.append([one / sum(raised) for one in raised])
        total += sum(p * math.log(p / q) for p, q in zip(*distributions, strict=True))
    return total / len(layers)


def naive_contrast(target: Tensor, source: Tensor, negatives: Tensor | None) -> float:
    total = 0.0
    for i in range(len(target)):
        positive = math.exp(cosine(target[i], source[i]) / TEMPERATURE)
        if negatives is None:
            rest = [cosine(target[i], source[j]) for j in range(len(source)) if j != i]
        else:
            rest = [cosine(target[i], x) for x in negatives]
        total -= math.log(positive / (positive + sum(math.exp(one / TEMPERATURE) for one in rest)))
    return total / len(target)


SHAPES: list[tuple[int, ...]] = [(4, 5, 4, 4), (4, 3, 8, 8)]
LAYERS = [1, 0, 0, 1]


def numeric_gradient(value: Callable[[], float], tensor: Tensor, entry: int) -> float:
    """By central differences, of one entry."""
    flat, step = tensor.detach().flatten(), 1e-5  # a view: changing it changes the tensor
    ends = []
    for sign in (1, -1):
        flat[entry] += sign * step
        ends.append(value())
        flat[entry] -= sign * step
    return (ends[0] - ends[1]) / (2 * step)


def test_correspondence_is_the_divergence_of_the_similarities_of_each_sample_to_the_others() -> None:
    target, source = features(0, SHAPES), features(1, SHAPES)
    loss = correspondence(target, source, LAYERS)
    assert float(loss.detach()) == pytest.approx(naive_correspondence(target, source, LAYERS), abs=SAME)
    loss.backward()  # type: ignore[no-untyped-call]
    assert target[0].grad is not None
    for entry in (0, 7, 101):
        expected = numeric_gradient(lambda: naive_correspondence(target, source, LAYERS), target[0], entry)
        assert float(target[0].grad.flatten()[entry]) == pytest.approx(expected, abs=SAME)


def test_correspondence_is_zero_for_the_base_itself_and_blind_to_a_common_scale() -> None:
    target = features(0, SHAPES)
    assert float(correspondence(target, [3 * each for each in target], LAYERS).detach()) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("in_d", [False, True])
def test_contrast_is_the_cross_entropy_of_the_same_latent_among_its_negatives(in_d: bool) -> None:
    [target], [source], [reals] = (features(seed, [(3, 4, 2, 2)]) for seed in range(3))
    loss = discriminator_contrast(target, source, reals) if in_d else generator_contrast(target, source)
    negatives = reals if in_d else None
    assert float(loss.detach()) == pytest.approx(naive_contrast(target, source, negatives), abs=SAME)
    loss.backward()  # type: ignore[no-untyped-call]
    assert target.grad is not None
    for entry in (0, 17, 47):
        expected = numeric_gradient(lambda: naive_contrast(target, source, negatives), target, entry)
        assert float(target.grad.flatten()[entry]) == pytest.approx(expected, abs=SAME)


def test_both_are_computed_on_what_the_two_generators_make_of_the_same_latents() -> None:
    for kind in (CrossDomainCorrespondence, DualContrast):
        parts = networks(moved=0.0)  # an adapter that has learned nothing is the base
        loss = kind(parts).generator_loss(0)
        if kind is CrossDomainCorrespondence:
            assert float(loss.detach()) == pytest.approx(0, abs=1e-12)
        else:  # every sample is most like itself
            assert float(loss.detach()) < math.log(parts.batch)
        assert float(kind(networks(moved=0.3)).generator_loss(0).detach()) > float(loss.detach())


def test_the_contrast_in_d_leaves_the_generators_alone() -> None:
    parts = networks()
    value = DualContrast(parts).discriminator_loss(0, parts.references[:3])
    assert value is not None
    assert value.requires_grad
    for parameter in parts.discriminator.blocks.parameters():
        parameter.requires_grad = False
    assert DualContrast(parts).discriminator_loss(0, parts.references[:3]) is None  # nothing in it could learn


def log_likelihood(parts: TrainedNetworks, network: nn.Module, z: Tensor, noise: list[Tensor]) -> float:
    image = network(z, noise=noise)
    return float(-torch.log1p(torch.exp(-parts.discriminator(image))).sum().detach())


@pytest.mark.parametrize("kind", [FullFineTune, LeFT])
def test_the_fisher_information_is_the_mean_square_of_the_slopes_of_the_likelihood(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ewc, "SAMPLES", 3)
    parts = networks(kind)
    loss = ElasticWeights(parts)
    loss.start()
    random = parts.rng.manual_seed(2)  # the same latents again
    drawn = [(parts.latents(1), parts.noise(1)) for _ in range(3)]
    assert random is parts.rng
    task = merge(parts.base, parts.adapter)
    for name in ("mapping.layers.0.weight", "synthesis.convs.1.conv.weight", "synthesis.to_rgbs.1.conv.weight"):
        if name not in dict(parts.adapter.weights.items()):
            continue
        fisher = loss.get_buffer(f"fisher/{name.replace('.', '/')}").flatten()
        assert float(fisher.sum()) > 0
        for entry in (0, int(fisher.argmax())):
            weight = task.get_parameter(name)
            slopes = [
                numeric_gradient(lambda z=z, noise=noise: log_likelihood(parts, task, z, noise), weight, entry)  # type: ignore[misc]
                for z, noise in drawn
            ]
            expected = sum(slope**2 for slope in slopes) / 3
            assert float(fisher[entry]) == pytest.approx(expected, rel=SAME, abs=SAME)


def test_the_penalty_is_the_sum_over_all_weights_of_information_times_squared_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ewc, "SAMPLES", 2)
    parts = networks(LeFT)
    loss = ElasticWeights(parts)
    loss.start()
    assert float(loss.generator_loss(0).detach()) == 0  # where the run begins, whatever task it starts from
    before = {name: tensor.clone() for name, tensor in merge(parts.base, parts.adapter).named_parameters()}
    for parameter in parts.adapter.parameters():
        parameter.data += 0.1
    after = dict(merge(parts.base, parts.adapter).named_parameters())
    expected = 0.0
    for name in dict(parts.adapter.weights.items()):
        fisher = loss.get_buffer(f"fisher/{name.replace('.', '/')}").flatten().tolist()
        changes = (after[name] - before[name]).flatten().tolist()
        expected += sum(f * change**2 for f, change in zip(fisher, changes, strict=True))
    assert expected > 0
    assert float(loss.generator_loss(0).detach()) == pytest.approx(expected, rel=SAME)
