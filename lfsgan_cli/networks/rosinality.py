"""Names of rosinality's StyleGAN2 tensors and ours: a table of renames; the tensors themselves are laid out alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

# What a rule's numbers become: rosinality counts mapping layers from 1 (0 is the pixel norm), and files the first
# convolution and the first ToRGB apart from the others.
_GENERATOR: list[tuple[str, str, int]] = [
    (r"style\.(\d+)\.(weight|bias)", "mapping.layers.{}.{}", -1),
    (r"input\.input", "synthesis.start", 0),
    (r"conv1\.conv\.weight", "synthesis.convs.0.conv.weight", 0),
    (r"conv1\.conv\.modulation\.(weight|bias)", "synthesis.convs.0.conv.affine.{}", 0),
    (r"conv1\.noise\.weight", "synthesis.convs.0.noise.strength", 0),
    (r"conv1\.activate\.bias", "synthesis.convs.0.bias", 0),
    (r"to_rgb1\.conv\.weight", "synthesis.to_rgbs.0.conv.weight", 0),
    (r"to_rgb1\.conv\.modulation\.(weight|bias)", "synthesis.to_rgbs.0.conv.affine.{}", 0),
    (r"to_rgb1\.bias", "synthesis.to_rgbs.0.bias", 0),
    (r"convs\.(\d+)\.conv\.weight", "synthesis.convs.{}.conv.weight", 1),
    (r"convs\.(\d+)\.conv\.modulation\.(weight|bias)", "synthesis.convs.{}.conv.affine.{}", 1),
    (r"convs\.(\d+)\.noise\.weight", "synthesis.convs.{}.noise.strength", 1),
    (r"convs\.(\d+)\.activate\.bias", "synthesis.convs.{}.bias", 1),
    (r"to_rgbs\.(\d+)\.conv\.weight", "synthesis.to_rgbs.{}.conv.weight", 1),
    (r"to_rgbs\.(\d+)\.conv\.modulation\.(weight|bias)", "synthesis.to_rgbs.{}.conv.affine.{}", 1),
    (r"to_rgbs\.(\d+)\.bias", "synthesis.to_rgbs.{}.bias", 1),
    (r"noises\.noise_(\d+)", "synthesis.convs.{}.noise.const", 0),
]
_DISCRIMINATOR: list[tuple[str, str, int]] = [
    (r"convs\.0\.0\.weight", "from_rgb.weight", 0),
    (r"convs\.0\.1\.bias", "from_rgb.bias", 0),
    (r"convs\.(\d+)\.conv1\.0\.weight", "blocks.{}.conv1.weight", -1),
    (r"convs\.(\d+)\.conv1\.1\.bias", "blocks.{}.conv1.bias", -1),
    (r"convs\.(\d+)\.conv2\.1\.weight", "blocks.{}.conv2.weight", -1),
    (r"convs\.(\d+)\.conv2\.2\.bias", "blocks.{}.conv2.bias", -1),
    (r"convs\.(\d+)\.skip\.1\.weight", "blocks.{}.skip.weight", -1),
    (r"final_conv\.0\.weight", "conv.weight", 0),
    (r"final_conv\.1\.bias", "conv.bias", 0),
    (r"final_linear\.0\.(weight|bias)", "dense.{}", 0),
    (r"final_linear\.1\.(weight|bias)", "score.{}", 0),
]


def generator_names(names: Iterable[str]) -> dict[str, str]:
    """Ours for each of rosinality's generator names; names it does not know (filters) are left out."""
    return _renamed(names, _GENERATOR)


def discriminator_names(names: Iterable[str]) -> dict[str, str]:
    """Ours for each of rosinality's discriminator names; names it does not know (filters) are left out."""
    return _renamed(names, _DISCRIMINATOR)


def rename(state: Mapping[str, T], table: Mapping[str, str]) -> dict[str, T]:
    """The state under our names."""
    return {ours: state[theirs] for theirs, ours in table.items()}


def config_of(generator: Mapping[str, Tensor]) -> NetworkConfig:
    """The network that a generator's state, under rosinality's names, belongs to; read from the shapes alone.

    Raises NetworkConfigError where tensors are missing or of a network that StyleGAN2 cannot be.
    """
    layers = [name for name in generator if re.fullmatch(r"style\.\d+\.weight", name)]
    blocks = sum(bool(re.fullmatch(r"to_rgbs\.\d+\.conv\.weight", name)) for name in generator)
    try:
        widths = [generator["input.input"].shape[1]]
        widths += [generator[f"convs.{2 * block + 1}.conv.weight"].shape[1] for block in range(blocks)]
        w_dim = generator["conv1.conv.modulation.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise NetworkConfigError(f"generator of {len(generator)} tensors: {error} is missing or misshapen") from error
    return NetworkConfig.of_widths(widths, w_dim=w_dim, mapping_layers=len(layers))


def _renamed(names: Iterable[str], rules: list[tuple[str, str, int]]) -> dict[str, str]:
    table: dict[str, str] = {}
    for name in names:
        for pattern, ours, shift in rules:
            if match := re.fullmatch(pattern, name):
                table[name] = ours.format(*(_shifted(part, shift) for part in match.groups()))
    return table


def _shifted(part: str, shift: int) -> str:
    return str(int(part) + shift) if part.isdigit() else part
