"""Settings that a base can be too small for."""

from __future__ import annotations

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import block_count, patch_layers
from lfsgan_cli.training.config import LearnConfig, TrainingConfigError


def check_fits(config: LearnConfig, network: NetworkConfig) -> None:
    """TrainingConfigError where the base's discriminator has fewer blocks or layers with patches than are asked for."""
    most = {"freeze_blocks": block_count(network), "patch_heads": patch_layers(network)}
    for name, count in most.items():
        value = getattr(config, name)
        if value > count:
            raise TrainingConfigError(
                f"{name} is {value}: expected at most {count}, which is what the discriminator of a base of "
                f"{network.resolution}×{network.resolution} has"
            )
