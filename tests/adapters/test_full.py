"""Full fine-tuning holds a difference for every parameter of the generator."""

import torch
from lfsgan_adapters.full import FullFineTune

from lfsgan_cli.apply import merge
from lfsgan_cli.testing import check_adapter, tiny_generator


def test_it_keeps_the_contract() -> None:
    check_adapter(FullFineTune)


def test_it_has_one_number_for_each_of_the_generator() -> None:
    base = tiny_generator()
    adapter = FullFineTune(base, FullFineTune.Config())
    assert adapter.size == sum(parameter.numel() for parameter in base.parameters())


def test_any_network_of_the_same_shape_can_be_reached() -> None:
    base, other = tiny_generator(seed=0), tiny_generator(seed=1)
    adapter = FullFineTune(base, FullFineTune.Config())
    with torch.no_grad():
        for name, difference in adapter.weights.items():
            difference.delta.copy_(other.get_parameter(name) - base.get_parameter(name))  # type: ignore[operator]
    merged = merge(base, adapter)
    for name, parameter in merged.named_parameters():
        torch.testing.assert_close(parameter, other.get_parameter(name))
