"""The recipe contract: training settings under a name, and perhaps one loss of its own (docs/recipes.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator


@dataclass(frozen=True)
class TrainedNetworks:
    """What a recipe's loss works with.

    base: the frozen generator. adapter: what the task learns. generator: the base with the adapter.
    discriminator: without augmentation or patch head. references: training images, up to 100 of them,
    [K, 3, R, R] in -1..1. batch: images in a step. dtype: of feature maps. rng: for tensors, on the device; choices:
    for numbers that Python reads, on the CPU. All randomness must come from these two, so that runs can be resumed.
    """

    base: Generator
    adapter: Adapter
    generator: Generator
    discriminator: Discriminator
    references: Tensor
    batch: int
    dtype: torch.dtype
    rng: torch.Generator
    choices: torch.Generator

    def latents(self, count: int) -> Tensor:
        """Standard normal z, [count, w_dim]."""
        z = torch.randn(count, self.base.config.w_dim, generator=self.rng, device=self.rng.device)
        return z.to(self.references.dtype)

    def noise(self, count: int) -> list[Tensor]:
        """Noise for every convolution, each [count, 1, side, side]."""
        sides = self.base.config.noise_sides
        drawn = [torch.randn(count, 1, side, side, generator=self.rng, device=self.rng.device) for side in sides]
        return [each.to(self.references.dtype) for each in drawn]

    def generate(self, generator: Generator, z: Tensor, noise: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Images [N, 3, R, R] and the output of every convolution. generator: `self.generator` or `self.base`."""
        features: list[Tensor] = []
        images = generator.synthesis(generator.spread(generator.mapping(z)), noise, features, self.dtype)
        return images, features


class RecipeLoss(nn.Module):
    """A recipe's own loss, added to the adversarial ones with the weight of the setting `loss_weight`.

    Each of the two methods returns a scalar, or None for nothing in this step; gradients of `generator_loss` reach the
    adapter, those of `discriminator_loss` the discriminator. Parameters, if there are any, learn with the
    discriminator. The state dict is part of every checkpoint, and all that a resumed run knows of the steps before:
    register as a buffer whatever `start` or a step leaves behind. The networks are no part of it.

    needs_weights: whether the adapter must change weights only (`Adapter.mergeable`).
    """

    needs_weights: ClassVar[bool] = False

    def __init__(self, networks: TrainedNetworks) -> None:
        super().__init__()
        self.networks = networks  # a dataclass, so that neither state nor parameters name them

    def start(self) -> None:
        """Called once, before the first step of a run, not when it is resumed; the adapter is as the task begins."""

    def generator_loss(self, step: int) -> Tensor | None:  # noqa: ARG002 - for those who override it
        """In the generator's update. step: counted from 0."""
        return None

    def discriminator_loss(self, step: int, reals: Tensor) -> Tensor | None:  # noqa: ARG002 - as above
        """In the discriminator's update. reals: the step's training images, [N, 3, R, R] in -1..1."""
        return None


@dataclass(frozen=True)
class Recipe:
    """A way to learn a task, with any adapter.

    training: the settings that differ from the defaults, by the names of `lfsgan recipes`. options: of adapters, by the
    adapter's name. about: what it does, in one line. formula: what it adds to the adversarial losses, in one line.
    paper: where it comes from, as `CDC, Ojha et al., 2021`. loss: its own loss; None for settings only.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    about: str = ""
    formula: str = ""
    paper: str = ""
    loss: type[RecipeLoss] | None = None


class UnsuitableAdapterError(LfsganError):
    """An adapter with which a recipe's loss cannot be computed."""

    def __init__(self, recipe: str, adapter: str) -> None:
        super().__init__(
            f"recipe {recipe!r} compares weights, and the adapter {adapter!r} changes feature maps: choose an adapter "
            "that changes weights only, such as full or left"
        )
