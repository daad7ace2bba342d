"""The discriminator of a run: whole pictures by all of it, patches by a head on its inner features."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lfsgan_cli.networks.discriminator import Discriminator, patch_head
from lfsgan_cli.training.augment import shifted
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.draws import Draws
from lfsgan_cli.training.fitting import frozen_blocks


class Judge:
    """discriminator: the base's, trained further and thrown away; its first blocks may stay as they are.

    layers: from which patches are scored, see `Discriminator.patch_features`; heads: one for each.
    """

    def __init__(self, discriminator: Discriminator, config: LearnConfig, draws: Draws, device: torch.device) -> None:
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
