"""Names of the public LFS-GAN code's modulator tensors, and LeFT's own names of the same tensors."""

from __future__ import annotations

from collections.abc import Iterable

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.rosinality import generator_names

# Under the name of a layer: the modulated tensor, then the factor.
LINEAR = {
    "w_mul_in_dim": ("weight", "mul_in"),
    "w_mul_out_dim": ("weight", "mul_out"),
    "w_add_in_dim": ("weight", "add_in"),
    "w_add_out_dim": ("weight", "add_out"),
    "b_mul": ("bias", "mul"),
    "b_add": ("bias", "add"),
}
CONV = {
    "w_mul1_out_channel_wise": ("weight", "out"),
    "w_mul1_instance_wise": ("weight", "taps"),
    "w_add1_out_channel_bias": ("weight", "gate_out"),
    "w_add1_instance_bias": ("weight", "gate_taps"),
    "w_mul2_in_channel_wise": ("weight", "inner"),
    "w_add2_in_channel_bias": ("weight", "shift_in"),
    "w_add2_instance_bias": ("weight", "shift_taps"),
}
_FACTORS = LINEAR | CONV
_INFIX = ".weight_modulation."


def published_names(network: NetworkConfig) -> dict[str, str]:
    """Our name for every official one that a task on such a network can have, in the public code's order."""
    layers = [f"style.{layer}" for layer in range(1, network.mapping_layers + 1)]
    official = [f"{layer}{_INFIX}{factor}" for layer in layers for factor in LINEAR]
    blocks = len(network.sides) - 1
    numbered = [f"convs.{index}" for index in range(2 * blocks)] + [f"to_rgbs.{index}" for index in range(blocks)]
    for layer in ("conv1", "to_rgb1", *numbered):
        official += [f"{layer}.conv.modulation{_INFIX}{factor}" for factor in LINEAR]
        official += [f"{layer}.conv{_INFIX}{factor}" for factor in CONV]
    return left_names(official)


def left_names(names: Iterable[str]) -> dict[str, str]:
    """Our name for each known official one, such as `convs.0.conv.weight_modulation.w_mul2_in_channel_wise`."""
    table: dict[str, str] = {}
    for name in names:
        layer, infix, factor = name.partition(_INFIX)
        known = generator_names([f"{layer}.weight"]) if infix and factor in _FACTORS else {}
        for weight in known.values():
            tensor, ours = _FACTORS[factor]
            modulated = weight.removesuffix("weight") + tensor
            table[name] = f"weights.{modulated.replace('.', '/')}.{ours}"
    return table
