"""Images generated in parts give the same features and gradients; parts are as large as the memory allows."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.memory import BUDGET, budget, graph_part, with_features

CUDA = torch.device("cuda")
SMALL, FFHQ = NetworkConfig.standard(64, w_dim=64), NetworkConfig.standard(256)


def test_small_networks_are_generated_in_one_graph() -> None:
    assert graph_part(16, SMALL, torch.float32) == 16


def test_sixteen_images_of_256_pixels_are_one_graph_in_half_precision_only() -> None:
    assert graph_part(16, FFHQ, torch.bfloat16) == 16
    assert 1 <= graph_part(16, FFHQ, torch.float32) < 16


@pytest.mark.parametrize("count", [2, 16, 64])
def test_however_many_there_are_a_part_has_one(count: int) -> None:
    assert 1 <= graph_part(count, NetworkConfig.standard(1024), torch.float32) <= count


@pytest.mark.parametrize("part", [1, 3, 5])
def test_parts_change_neither_features_nor_gradients(part: int) -> None:
    generator = tiny_generator().double().requires_grad_()
    w = torch.randn(5, generator.config.w_dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def drawn(part: int) -> tuple[list[Tensor], Tensor]:
        generator.zero_grad()
        maps = with_features(generator, w, None, torch.float64, part)
        sum(one.square().mean() for one in maps).backward()  # type: ignore[union-attr]
        return maps, torch.cat([p.grad.flatten() for p in generator.synthesis.parameters() if p.grad is not None])

    (whole, expected), (maps, gradient) = drawn(5), drawn(part)
    assert len(maps) == 1 + len(generator.config.noise_sides)
    assert all(torch.allclose(ours, theirs, rtol=1e-12) for ours, theirs in zip(maps, whole, strict=True))
    assert torch.allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def kept(part: int) -> int:
    """Bytes that are kept for the backward pass of sixteen images."""
    generator = tiny_generator().requires_grad_()
    w = torch.randn(16, generator.config.w_dim)
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive = with_features(generator, w, None, torch.float32, part)
    assert alive
    return sum(storages.values())


def test_less_is_kept_where_it_is_generated_in_parts() -> None:
    assert kept(2) < kept(16) / 2


def test_a_gpu_takes_a_share_of_its_memory_in_whole_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = SimpleNamespace(total_memory=6 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _device: gpu)
    assert budget(CUDA) == BUDGET == budget(torch.device("cpu"))
    gpu.total_memory = (80 << 30) - 12345
    assert budget(CUDA) == 53 << 30
    assert graph_part(16, FFHQ, torch.float32, CUDA) == 16 > graph_part(16, FFHQ, torch.float32)
