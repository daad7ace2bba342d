"""Every tensor of rosinality's networks has exactly one place in ours, and their shapes tell the whole network."""

import pytest
import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.networks.rosinality import config_of, discriminator_names, generator_names


def test_every_tensor_but_the_filters_is_renamed_and_no_two_to_the_same(
    rosinality: dict[str, dict[str, Tensor]],
) -> None:
    for state, names in ((rosinality["g_ema"], generator_names), (rosinality["d"], discriminator_names)):
        table = names(state)
        assert {name.rpartition(".")[2] for name in state.keys() - table.keys()} == {"kernel"}
        assert len(set(table.values())) == len(table)


def test_names_cover_our_networks_and_nothing_else(rosinality: dict[str, dict[str, Tensor]]) -> None:
    config = config_of(rosinality["g_ema"])
    generator, discriminator = build_generator(config), Discriminator(config)
    assert set(generator_names(rosinality["g_ema"]).values()) == generator.state_dict().keys() - {"w_mean"}
    assert set(discriminator_names(rosinality["d"]).values()) == discriminator.state_dict().keys()


def test_names_of_strangers_are_left_out() -> None:
    assert generator_names(["style.0.weight.extra", "convs.0.conv.blur.kernel", "mapping.layers.0.weight"]) == {}


def test_the_shapes_tell_the_network(rosinality: dict[str, dict[str, Tensor]]) -> None:
    state = rosinality["g_ema"]
    config = config_of(state)
    assert config.resolution == max(tensor.shape[-1] for name, tensor in state.items() if name.startswith("noises"))
    assert config.channels[config.resolution] == state[f"to_rgbs.{len(config.sides) - 2}.conv.weight"].shape[2]


@pytest.mark.parametrize("missing", ["input.input", "convs.3.conv.weight", "style.1.weight"])
def test_a_state_that_lacks_a_tensor_is_refused(missing: str) -> None:
    config = NetworkConfig(resolution=16, channels={4: 3, 8: 2, 16: 1}, w_dim=5, mapping_layers=1)
    state = minimal_state(config)
    assert config_of(state) == config
    with pytest.raises(NetworkConfigError):
        config_of({name: tensor for name, tensor in state.items() if name != missing})


def minimal_state(config: NetworkConfig) -> dict[str, Tensor]:
    """What `config_of` reads, of the network's shapes."""
    state = {f"style.{i + 1}.weight": torch.empty(config.w_dim, config.w_dim) for i in range(config.mapping_layers)}
    state["input.input"] = torch.empty(1, config.channels[4], 4, 4)
    state["conv1.conv.modulation.weight"] = torch.empty(config.channels[4], config.w_dim)
    for block, side in enumerate(config.sides[1:]):
        state[f"convs.{2 * block + 1}.conv.weight"] = torch.empty(1, config.channels[side], config.channels[side], 3, 3)
        state[f"to_rgbs.{block}.conv.weight"] = torch.empty(1, 3, config.channels[side], 1, 1)
    return state
