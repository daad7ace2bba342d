"""A prepared generator generates the same images, faster, and leaves the one it was made of alone."""

import copy

import pytest
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.left import LeFT
from torch import Tensor

from lfsgan_cli.apply import adapt, merge
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.inference import Prepared, Winograd, pays, prepared
from lfsgan_cli.testing import tiny_generator

SEEDS = range(5)  # a full batch and a rest
WIDE = NetworkConfig(32, {4: 128, 8: 128, 16: 128, 32: 128}, 32, 2)


@pytest.fixture(scope="module")
def wide() -> Generator:
    """Wide enough for every form of convolution."""
    torch.manual_seed(0)
    return build_generator(WIDE).requires_grad_(requires_grad=False)


def pictures(generator: Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.cat(list(sample(generator, SEEDS, batch=4, dtype=dtype))).int()


def modules(generator: Generator) -> list[tuple[str, type]]:
    return [(name, type(module)) for name, module in generator.named_modules()]


def test_the_images_are_the_same_but_for_a_level(wide: Generator) -> None:
    ready = prepared(wide, torch.float32)
    assert (pictures(ready) - pictures(wide)).abs().max() <= 1


def test_images_are_still_the_reference(generator: Generator, rosinality_outputs: dict[str, Tensor]) -> None:
    images = prepared(generator, torch.float32)(rosinality_outputs["z"])
    assert (images - rosinality_outputs["images"]).abs().max() < 1e-4  # the tolerance of test_generator.py


def test_the_widest_layers_multiply_less(wide: Generator) -> None:
    if not pays(torch.zeros(128, 128, 3, 3), 32):
        pytest.skip("needs oneDNN on an x86 processor")
    layers = [module for module in prepared(wide, torch.float32).modules() if isinstance(module, Prepared)]
    forms = [isinstance(layer._convolution, Winograd) for layer in layers]
    assert forms == [False, False, False, False, True, False, True]  # the plain ones from 16 pixels on


def test_images_in_bf16_are_those_in_bf16(wide: Generator) -> None:
    ready = pictures(prepared(wide, torch.bfloat16), torch.bfloat16)
    assert (ready - pictures(wide, torch.bfloat16)).float().abs().mean() < 0.1  # levels of 255


def test_the_original_is_left_alone_and_shares_what_is_not_a_kernel(wide: Generator) -> None:
    before, built_of = copy.deepcopy(wide.state_dict()), modules(wide)
    ready = prepared(wide, torch.float32)
    pictures(ready)
    assert modules(wide) == built_of
    state = wide.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.items())
    assert all(tensor.data_ptr() == state[name].data_ptr() for name, tensor in ready.state_dict().items())


def test_a_merged_task_runs_the_modules_of_its_base() -> None:
    base = tiny_generator()
    merged = merge(base, LeFT(base, LeFT.Config()))
    assert modules(merged) == modules(base)
    assert modules(prepared(merged, torch.float32)) == modules(prepared(base, torch.float32))


def test_an_overlay_is_given_back_as_it_is() -> None:
    base = tiny_generator()
    view = adapt(base, CAM(base, CAM.Config()))
    assert prepared(view, torch.float32) is view
