"""KML multiplies frozen weights by one plus a matrix of low rank."""

import pytest
import torch
from lfsgan_adapters.kml import KML, Modulation

from lfsgan_cli.apply import merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.testing import check_adapter, tiny_generator


@pytest.mark.parametrize("rank", [1, 4])
def test_every_rank_keeps_the_contract(rank: int) -> None:
    check_adapter(KML, KML.Config(rank=rank))


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("name", ["mapping.layers.0.weight", "synthesis.convs.1.conv.weight"])
def test_weights_follow_the_equation_of_the_paper(name: str, rank: int) -> None:
    base, adapter = tiny_generator().double(), moved(rank)
    task = adapter.weights[name]
    assert isinstance(task, Modulation)
    weight = base.get_parameter(name)
    matrix = weight if weight.ndim == 2 else weight[0].flatten(1)
    wanted = torch.empty_like(matrix)
    for o, row in enumerate(matrix):
        for i, value in enumerate(row):
            wanted[o, i] = value * (1 + sum(task.out[o, r] * task.inner[i, r] for r in range(rank)))
    got = merge(base, adapter).get_parameter(name)
    torch.testing.assert_close(got, wanted.view_as(weight), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3])
def test_the_modulation_has_the_rank_it_is_given(rank: int) -> None:
    base, name = tiny_generator().double(), "synthesis.convs.1.conv.weight"
    ratio = merge(base, moved(rank)).get_parameter(name) / base.get_parameter(name) - 1
    assert torch.linalg.matrix_rank(ratio[0].flatten(1), rtol=1e-9) == rank


def test_biases_of_mapping_and_affines_are_shifted_and_the_others_are_not() -> None:
    base = tiny_generator().double()
    merged = merge(base, moved(1))
    for name, bias in base.named_parameters():
        if name.endswith("bias"):
            changed = not torch.equal(merged.get_parameter(name), bias)
            assert changed == ("mapping" in name or "affine" in name), name


def test_a_task_has_as_many_numbers_as_counted_elsewhere() -> None:
    # AdAM's modulation alone, on StyleGAN2 config-f at 256 pixels.
    with torch.device("meta"):
        assert KML(build_generator(NetworkConfig.standard(256)), KML.Config()).size == 100_117


@pytest.mark.parametrize("rank", [0, 1025])
def test_a_rank_that_makes_no_sense_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank is {rank}: expected 1 to 1024"):
        KML.Config(rank=rank)


def moved(rank: int) -> KML:
    """An adapter of the tiny network with every number away from its start."""
    adapter = KML(tiny_generator(), KML.Config(rank=rank)).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64), alpha=0.1)
    return adapter.requires_grad_(requires_grad=False)
