"""Adapters file their modules under dotted names, and hold exactly what the task's file needs."""

from lfsgan_adapters.cam import CAM
from lfsgan_adapters.left import LeFT
from torch import nn

from lfsgan_cli.adapter import ByName
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
