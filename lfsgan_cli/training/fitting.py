"""What a base settles: settings that it can be too small for, and those that are left to its size."""

from __future__ import annotations

from dataclasses import replace

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import block_count, blocks_before_patches, patch_layers
from lfsgan_cli.training.config import LearnConfig, TrainingConfigError


def frozen_blocks(config: LearnConfig, network: NetworkConfig) -> int:
    """How many of the discriminator's blocks stay as they are: those asked for, or all before the one of patches."""
    asked = config.freeze_blocks
    return blocks_before_patches(network) if asked is None else asked


def fitted(config: LearnConfig, network: NetworkConfig) -> LearnConfig:
    """With numbers for what was left to the network, so that a record says what was done."""
    return replace(config, freeze_blocks=frozen_blocks(config, network))


def check_fits(config: LearnConfig, network: NetworkConfig) -> None:
    """TrainingConfigError where the base's discriminator has fewer blocks or layers with patches than are asked for."""
    _check("freeze_blocks", frozen_blocks(config, network), block_count(network), network)
    _check("patch_heads", config.patch_heads, patch_layers(network), network)


def _check(name: str, asked: int, most: int, network: NetworkConfig) -> None:
    if asked > most:
        raise TrainingConfigError(
            f"{name} is {asked}: expected at most {most}, which is what the discriminator of a base of "
            f"{network.resolution}×{network.resolution} has"
        )
