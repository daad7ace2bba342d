"""Adapters file their modules under dotted names, and hold exactly what the task's file needs."""

from dataclasses import dataclass

import pytest
import torch
from lfsgan_adapters.cam import CAM
from lfsgan_adapters.left import LeFT
from torch import nn

from lfsgan_cli.adapter import Adapter, ByName, read_config
from lfsgan_cli.options import OptionError
from lfsgan_cli.testing import tiny_generator


def test_a_shelf_gives_back_modules_under_their_dotted_names() -> None:
    shelf, module = ByName(), nn.Identity()
    shelf["synthesis.convs.0.weight"] = module
    assert shelf["synthesis.convs.0.weight"] is module
    assert [name for name, _ in shelf.items()] == ["synthesis.convs.0.weight"]
    assert len(shelf) == 1


def test_the_modules_of_one_part_are_found_by_the_rest_of_their_names() -> None:
    shelf = ByName()
    shelf["mapping.layers.0.bias"], shelf["synthesis.start"] = nn.Identity(), nn.Identity()
    assert list(shelf.under("mapping.")) == ["layers.0.bias"]


def test_an_adapter_is_mergeable_if_it_changes_weights_only() -> None:
    base = tiny_generator()
    assert LeFT(base, LeFT.Config()).mergeable
    assert not CAM(base, CAM.Config()).mergeable


def test_the_tensors_of_a_task_are_all_that_it_adds() -> None:
    adapter = LeFT(tiny_generator(), LeFT.Config())
    tensors = adapter.tensors()
    assert sum(tensor.numel() for tensor in tensors.values()) == adapter.size
    assert not any(tensor.requires_grad for tensor in tensors.values())
    assert all(name.startswith("weights.") for name in tensors)


class Plain(Adapter):
    """Two tensors, one of them with a number that fp16 cannot hold."""

    stored = "fp16"

    @dataclass(frozen=True)
    class Config:
        size: int = 2

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        self.small, self.large = nn.Parameter(torch.tensor([0.1, 1.0])), nn.Parameter(torch.tensor([1.0, 1e6]))


def test_what_is_stored_in_16_bits_is_what_the_adapter_generates_with_from_then_on() -> None:
    adapter = Plain(nn.Identity(), Plain.Config())
    kept = adapter.round_off()
    assert kept["small"].dtype == torch.float16
    assert torch.equal(adapter.small, kept["small"].float())
    assert float(adapter.small[0].detach()) == pytest.approx(0.1, rel=2**-11)  # half of fp16's last place
    assert float(adapter.small[0].detach()) != torch.tensor(0.1).item()


def test_a_tensor_that_16_bits_cannot_hold_keeps_its_32() -> None:
    kept = Plain(nn.Identity(), Plain.Config()).round_off()
    assert kept["large"].tolist() == [1.0, 1e6]


def test_an_adapter_of_32_bits_is_stored_as_it_is() -> None:
    adapter = CAM(tiny_generator(), CAM.Config())
    assert all(tensor.dtype == torch.float32 for tensor in adapter.round_off().values())


def test_a_header_must_name_every_option_and_no_other() -> None:
    assert read_config(Plain, {"size": 5}) == Plain.Config(size=5)
    for header in ({}, {"size": 5, "sighs": 5}):
        with pytest.raises(OptionError):
            read_config(Plain, header)
