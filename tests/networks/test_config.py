"""A network's description says all, survives a header, and refuses what cannot be built."""

import json
from typing import Any

import pytest
import torch

from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError
from lfsgan_cli.networks.generator import build_generator

CHANNELS = {4: 8, 8: 8, 16: 4}


def test_it_survives_json() -> None:
    config = NetworkConfig(resolution=16, channels=CHANNELS, w_dim=6, mapping_layers=3)
    assert NetworkConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256, 512, 1024])
def test_a_generator_of_every_resolution_is_built_as_described(resolution: int) -> None:
    config = NetworkConfig(resolution, dict.fromkeys((4 << p for p in range((resolution // 4).bit_length())), 2), 4, 1)
    synthesis = build_generator(config).synthesis
    assert config.sides[-1] == resolution
    assert len(synthesis.convs) == len(config.noise_sides) == config.latents - 1  # type: ignore[arg-type]


def test_the_standard_networks_are_those_of_the_published_checkpoints() -> None:
    # 30,034,338: the FFHQ-256 generator of channel multiplier 2, counted on rosinality's class (method 1.2).
    with torch.device("meta"):
        generator = build_generator(NetworkConfig.standard(256))
    assert sum(parameter.numel() for parameter in generator.parameters()) == 30_034_338


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"resolution": 48}, "48"),
        ({"resolution": 8}, "8"),
        ({"channels": {4: 8, 8: 8}}, "4, 8, 16"),
        ({"channels": {**CHANNELS, 32: 4}}, "4, 8, 16"),
        ({"channels": {**CHANNELS, 8: 0}}, "8=0"),
        ({"w_dim": 0}, "w_dim=0"),
        ({"mapping_layers": -1}, "mapping_layers=-1"),
        ({"channels": {**CHANNELS, 8: 8193}}, "8=8193: expected 1 to 8192"),
        ({"w_dim": 10**12}, "w_dim=10"),
        ({"mapping_layers": 65}, "mapping_layers=65"),
    ],
)
def test_what_stylegan2_cannot_be_is_refused_by_name(changed: dict[str, Any], named: str) -> None:
    settings: dict[str, Any] = {"resolution": 16, "channels": CHANNELS, "w_dim": 4, "mapping_layers": 1}
    with pytest.raises(NetworkConfigError, match=named):
        NetworkConfig(**(settings | changed))


@pytest.mark.parametrize(
    "document", [{}, {"resolution": 16, "channels": 3, "w_dim": 4, "mapping_layers": 1}, [], {"x": "y" * 5000}]
)
def test_a_foreign_description_is_refused(document: Any) -> None:
    with pytest.raises(NetworkConfigError, match="network description"):
        NetworkConfig.from_json(document)


def test_any_number_of_sides_is_counted_before_they_are_computed() -> None:
    assert NetworkConfig.of_widths([8, 8, 4], w_dim=4, mapping_layers=1).channels == CHANNELS
    with pytest.raises(NetworkConfigError, match="100000 sizes of feature maps: expected at most 9"):
        NetworkConfig.of_widths([1] * 100_000, w_dim=4, mapping_layers=1)
