"""The discriminator of a run: whole pictures by all of it, patches by a head on its inner features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import (
    Discriminator,
    block_count,
    blocks_before_patches,
    patch_head,
    patch_layers,
)
from lfsgan_cli.training.batches import RandomSource
from lfsgan_cli.training.config import LearnConfig, TrainingConfigError


class PatchDiscriminator:
    """discriminator: the base's, trained further and thrown away; its first blocks may stay as they are.

    layers: from which patches are scored, see `Discriminator.patch_features`; heads: one for each.
    """

    def __init__(
        self, discriminator: Discriminator, config: LearnConfig, draws: RandomSource, device: torch.device
    ) -> None:
        self.discriminator, self.draws, self.shift = discriminator, draws, config.shift
        self.layers = list(range(config.patch_heads))
        self.heads = _seeded_heads(discriminator, self.layers, config.seed).to(device)
        self.frozen = list(discriminator.first_blocks(frozen_blocks(config, discriminator.config)))
        nn.ModuleList(self.frozen).requires_grad_(requires_grad=False)  # or gradients are taken that nobody wants
        self.chosen = 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All that learns."""
        fixed = {id(parameter) for module in self.frozen for parameter in module.parameters()}
        return [p for p in (*self.discriminator.parameters(), *self.heads.parameters()) if id(p) not in fixed]

    def choose_head(self) -> None:
        """Take one of the heads for the patches that follow, real and drawn ones alike."""
        self.chosen = self.draws.one_of(len(self.heads))

    def whole(self, images: Tensor, sets: int = 1) -> Tensor:
        """Logits [N, 1], computed in the pictures' type. sets: so many, one after another, each judged by itself."""
        logits: Tensor = self.discriminator(self._shifted(images), sets)
        return logits

    def patches(self, images: Tensor) -> Tensor:
        """A map of logits, [N, 1, side, side], by the chosen head."""
        features = self.discriminator.patch_features(self._shifted(images), self.layers[self.chosen])
        logits: Tensor = self.heads[self.chosen](features)
        return logits

    def both(self, images: Tensor, sets: int = 1) -> tuple[Tensor, Tensor]:
        """Logits of whole pictures and of patches, as `whole` and `patches`, by one pass over the same view."""
        layer = self.layers[self.chosen]
        logits, features = self.discriminator.with_patch_features(self._shifted(images), layer, sets)
        return logits, self.heads[self.chosen](features)

    def _shifted(self, images: Tensor) -> Tensor:
        return shifted(images, self.shift, self.draws.choices)


def _seeded_heads(discriminator: Discriminator, layers: Iterable[int], seed: int) -> nn.ModuleList:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleList([patch_head(discriminator.config, layer) for layer in layers])


# What a base settles: settings that it can be too small for, and those that are left to its size.


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


# What the discriminator sees is shifted a little, real and drawn alike, so that ten pictures are not learned by heart.
#
# Translation as in Zhao et al., 2020 (differentiable augmentation), with the border repeated instead of black.


def shifted(images: Tensor, share: float, choices: torch.Generator) -> Tensor:
    """Every picture [N, 3, H, W] moved by up to `share` of its side in both directions; gradients pass.

    choices: a generator on the CPU, which alone is asked.
    """
    most = int(share * images.shape[-1])
    if not most:
        return images
    height, width = images.shape[-2:]
    offsets = torch.randint(2 * most + 1, (len(images), 2), generator=choices).tolist()
    grown = F.pad(images, (most, most, most, most), mode="replicate")
    moved = [one[:, top : top + height, left : left + width] for one, (top, left) in zip(grown, offsets, strict=True)]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)
