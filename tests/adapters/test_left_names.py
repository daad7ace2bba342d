"""Every tensor of a published task has exactly one place in LeFT."""

from lfsgan_adapters.left import LeFT
from lfsgan_adapters.left.reference_names import left_names
from torch import Tensor

from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.rosinality import config_of


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def test_an_official_task_fills_our_adapter_completely(reference_losses: dict[str, Tensor]) -> None:
    official = part(reference_losses, "left.")
    table = left_names(official)
    adapter = LeFT(
        build_generator(config_of(part(reference_losses, "net.g."))), LeFT.Config(rank=1, biases=False, crossed=False)
    )
    assert table.keys() == official.keys()
    assert sorted(table.values()) == sorted(adapter.tensors())
    assert all(adapter.tensors()[ours].shape == official[theirs].shape for theirs, ours in table.items())


def test_strangers_are_left_out() -> None:
    assert left_names(["conv1.conv.weight", "style.1.weight_modulation.gain", "other.weight_modulation.b_mul"]) == {}
