"""NVIDIA's names of a StyleGAN2's tensors beside ours; the numbers are the same, without a flip or a factor.

Source: https://github.com/NVlabs/stylegan2-ada-pytorch, `training/networks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig

FILTER = ".resample_filter"
W_MEAN = "mapping.w_avg"


def config_of(generator: Mapping[str, Tensor]) -> NetworkConfig:
    """The network that a generator's tensors belong to, from their shapes alone.

    Raises KeyError or IndexError where tensors are missing or misshapen, NetworkConfigError where no StyleGAN2 is so.
    """
    colours = (re.fullmatch(r"synthesis\.b(\d{1,6})\.torgb\.weight", name) for name in generator)
    sides = sorted(int(found[1]) for found in colours if found)
    layers = [name for name in generator if re.fullmatch(r"mapping\.fc\d+\.weight", name)]
    return NetworkConfig(
        resolution=max(sides, default=0),
        channels={side: generator[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        w_dim=generator["synthesis.b4.conv1.affine.weight"].shape[1],
        mapping_layers=len(layers),
    )


def generator_names(config: NetworkConfig) -> dict[str, str]:
    """NVIDIA's name of every tensor of our generator, but of its mean w."""
    return dict(_generator(config))


def discriminator_names(config: NetworkConfig) -> dict[str, str]:
    """NVIDIA's name of every tensor of our discriminator."""
    return dict(_discriminator(config))


def _generator(config: NetworkConfig) -> Iterator[tuple[str, str]]:
    for layer in range(config.mapping_layers):
        yield from _both(f"mapping.layers.{layer}", f"mapping.fc{layer}")
    yield "synthesis.start", "synthesis.b4.const"
    for index, side in enumerate(config.noise_sides):
        ours, theirs = f"synthesis.convs.{index}", f"synthesis.b{side}.conv{(index + 1) % 2}"
        yield f"{ours}.conv.weight", f"{theirs}.weight"
        yield from _both(f"{ours}.conv.affine", f"{theirs}.affine")
        yield from ((f"{ours}.bias", f"{theirs}.bias"), (f"{ours}.noise.strength", f"{theirs}.noise_strength"))
        yield f"{ours}.noise.const", f"{theirs}.noise_const"
    for index, side in enumerate(config.sides):
        ours, theirs = f"synthesis.to_rgbs.{index}", f"synthesis.b{side}.torgb"
        yield from ((f"{ours}.conv.weight", f"{theirs}.weight"), (f"{ours}.bias", f"{theirs}.bias"))
        yield from _both(f"{ours}.conv.affine", f"{theirs}.affine")


def _discriminator(config: NetworkConfig) -> Iterator[tuple[str, str]]:
    yield from _both("from_rgb", f"b{config.resolution}.fromrgb")
    for index, side in enumerate(config.sides[:0:-1]):
        yield from _both(f"blocks.{index}.conv1", f"b{side}.conv0")
        yield from _both(f"blocks.{index}.conv2", f"b{side}.conv1")
        yield f"blocks.{index}.skip.weight", f"b{side}.skip.weight"
    for ours, theirs in (("conv", "conv"), ("dense", "fc"), ("score", "out")):
        yield from _both(ours, f"b4.{theirs}")


def _both(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{kind}", f"{theirs}.{kind}") for kind in ("weight", "bias"))
