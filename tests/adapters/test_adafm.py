"""AdaFM normalizes every kernel of the frozen weight, then scales and shifts it."""

import math

import pytest
import torch
from lfsgan_adapters.adafm import AdaFM, Renormalized
from lfsgan_adapters.shift import Shift

from lfsgan_cli.apply import merge
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.testing import check_adapter, tiny_generator

CONV, TO_RGB, ROWS = "synthesis.convs.1.conv.weight", "synthesis.to_rgbs.0.conv.weight", "mapping.layers.0.weight"


def test_it_keeps_the_contract() -> None:
    check_adapter(AdaFM)


@pytest.mark.parametrize(("name", "numbers"), [(CONV, 3 * 3), (TO_RGB, 16), (ROWS, 16)])
def test_weights_follow_the_equation_of_the_paper_kernel_by_kernel_or_row_by_row(name: str, numbers: int) -> None:
    base, adapter = tiny_generator().double(), moved()
    weight, task = base.get_parameter(name), adapter.weights[name]
    assert isinstance(task, Renormalized)
    size = math.sqrt(float(weight.square().mean()))
    wanted = []
    for kernel, a, c in zip(weight.reshape(-1, numbers), task.gain.flatten(), task.shift.flatten(), strict=True):
        mu, sigma = kernel.mean(), kernel.std()
        gamma, beta = sigma * (1 + a), mu + size * c
        wanted.append(gamma * (kernel - mu) / sigma + beta)
    got = merge(base, adapter).get_parameter(name)
    torch.testing.assert_close(got, torch.stack(wanted).view_as(weight), rtol=1e-6, atol=1e-6)


def test_every_bias_is_shifted() -> None:
    base, adapter = tiny_generator().double(), moved()
    merged = merge(base, adapter)
    biases = [name for name, _ in base.named_parameters() if name.endswith("bias")]
    for name in biases:
        task = adapter.weights[name]
        assert isinstance(task, Shift)
        torch.testing.assert_close(merged.get_parameter(name), base.get_parameter(name) + task.get_parameter("add"))
    assert set(biases) == {name for name, _ in adapter.weights.items() if name.endswith("bias")}


@pytest.mark.parametrize("over", [(-1,), (-2, -1)])
def test_constant_kernels_are_shifted_as_well(over: tuple[int, ...]) -> None:
    weight = torch.full((1, 2, 3, 3, 3), 2.0)
    task = Renormalized(weight.shape, over)
    torch.nn.init.constant_(task.gain, 0.5)
    torch.nn.init.constant_(task.shift, 0.25)
    torch.testing.assert_close(task(weight), weight * 1.25)


# StyleGAN2 config-f at 256 pixels. γ, β and bias of 4,096 rows of the mapping and 8,704 of the affines; γ and β of all
# 3×3 kernels; one bias for each of their 5,376 outputs; γ, β and bias of the three outputs of seven ToRGB.
KERNELS = 9 * 512 * 512 + 512 * 256 + 256 * 256 + 256 * 128 + 128 * 128


def test_a_task_has_two_numbers_for_each_kernel_and_three_for_each_row() -> None:
    with torch.device("meta"):
        size = AdaFM(build_generator(NetworkConfig.standard(256)), AdaFM.Config()).size
    assert size == 3 * (4_096 + 8_704) + 2 * KERNELS + 5_376 + 3 * 21


def moved() -> AdaFM:
    """An adapter of the tiny network with every number away from its start."""
    adapter = AdaFM(tiny_generator(), AdaFM.Config()).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64), alpha=0.1)
    return adapter
