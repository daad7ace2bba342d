"""SVD changes the singular values of frozen weights, and nothing else of them."""

import pytest
import torch
from lfsgan_adapters.svd import SVD, SingularValues
from torch import Tensor

from lfsgan_cli.apply import merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.testing import check_adapter, tiny_generator

SHAPES = [(6, 9), (9, 6), (5, 5), (1, 4, 3, 3, 3), (1, 3, 8, 1, 1), (1, 40, 2, 3, 3)]


def test_it_keeps_the_contract() -> None:
    check_adapter(SVD)


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_follow_the_equation_of_the_paper(shape: tuple[int, ...]) -> None:
    weight, task = case(shape)
    matrix = weight.view(shape[0] if len(shape) == 2 else shape[1], -1)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    wanted = u @ torch.diag(s * (1 + task.change)) @ v
    torch.testing.assert_close(task(weight), wanted.view(shape), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_sign_of_a_singular_vector_changes_no_bit(shape: tuple[int, ...]) -> None:
    weight, task = case(shape)
    before = task(weight)
    task.vectors *= torch.where(torch.arange(len(task.change)) % 2 == 0, -1.0, 1.0)
    assert torch.equal(task(weight), before)


def test_singular_vectors_are_recomputed_and_not_stored() -> None:
    base = tiny_generator()
    first, second = SVD(base, SVD.Config()), SVD(base, SVD.Config())
    assert all(name.endswith(".change") for name in first.tensors())
    for (name, one), (_, other) in zip(first.named_buffers(), second.named_buffers(), strict=True):
        assert torch.equal(one, other), name


def test_biases_are_those_of_the_base() -> None:
    base = tiny_generator()
    adapter = SVD(base, SVD.Config())
    torch.nn.init.constant_(next(iter(adapter.parameters())), 1.0)
    merged = merge(base, adapter)
    assert all(torch.equal(merged.get_parameter(n), p) for n, p in base.named_parameters() if n.endswith("bias"))


def test_a_task_has_as_many_numbers_as_counted_elsewhere() -> None:
    # In FSGAN's code carried over to StyleGAN2 config-f at 256 pixels: the shorter side of every weight.
    with torch.device("meta"):
        assert SVD(build_generator(NetworkConfig.standard(256)), SVD.Config()).size == 4_096 + 8_704 + 5_376 + 7 * 3


def case(shape: tuple[int, ...]) -> tuple[Tensor, SingularValues]:
    """A weight, and its task with every singular value changed."""
    rng = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=rng, dtype=torch.float64)
    task = SingularValues(weight).double()
    task.change.data = 0.3 * torch.randn(task.change.shape, generator=rng, dtype=torch.float64)
    return weight, task.requires_grad_(requires_grad=False)
