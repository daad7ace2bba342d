"""The losses on sets of freshly drawn pictures: mode seeking, originality, coverage and energy, as a run wants them."""

from __future__ import annotations

import torch
from torch import Tensor

from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.coverage import missing_entropy
from lfsgan_cli.training.draws import Draws
from lfsgan_cli.training.energy import energy
from lfsgan_cli.training.likeness import Likeness
from lfsgan_cli.training.memory import graph_part, with_features
from lfsgan_cli.training.mode_seeking import Pairs, pair_ratios, pairs_of, seek
from lfsgan_cli.training.originality import Originality


class Seeking:
    """Draws `seeking_batch` pictures of random latents, and compares them with each other and with the shots."""

    def __init__(
        self,
        generator: Generator,
        likeness: Likeness,
        shots: Tensor,
        config: LearnConfig,
        draws: Draws,
        dtype: torch.dtype,
    ) -> None:
        self.generator, self.likeness, self.config = generator, likeness, config
        self.originality = Originality(shots, mirror=config.mirror) if config.copy_weight else None
        self.draws, self.dtype = draws, dtype
        self._centres = {"shots": lambda _reals: likeness.shots, "batch": likeness.embed}[config.seeking_centres]
        self._noises = {"const": lambda: None, "random": self._fresh_noises}[config.seeking_noise]

    def loss(self, reals: Tensor) -> Tensor:
        """All that is wanted, weighted; something is. reals: the step's real pictures, [N, 3, R, R]."""
        config, network = self.config, self.generator.config
        z = self.draws.normal(config.seeking_batch, network.w_dim)
        w = self.generator.mapping(z)
        part = graph_part(len(w), network, self.dtype)
        images, *features = with_features(self.generator, w, self._noises(), self.dtype, part)
        seen = self._embedded(images)
        terms = []
        if config.seeking_weight:
            pairs = self._pairs(seen, reals)
            ratios = pair_ratios(z, w, features, images, pairs)
            terms.append(config.seeking_weight * seek(ratios, pairs, config.seeking_epsilon))
        if self.originality:
            terms.append(config.copy_weight * self.originality.loss(images))
        if config.coverage_weight:
            terms.append(config.coverage_weight * self._coverage(seen))
        if config.energy_weight:
            terms.append(config.energy_weight * energy(seen, self.likeness.shots))
        return torch.stack(terms).sum()

    def _embedded(self, images: Tensor) -> Tensor:
        compared = self.config.coverage_weight or self.config.energy_weight
        return self.likeness.embed(images if compared else images.detach())

    def _coverage(self, seen: Tensor) -> Tensor:
        return missing_entropy(self.likeness.between(seen, self.likeness.shots), self.config.coverage_temperature)

    @torch.no_grad()
    def _pairs(self, seen: Tensor, reals: Tensor) -> Pairs:
        clusters = self.likeness.between(seen, self._centres(reals)).argmin(1)
        return pairs_of(clusters, self.config.seeking_pairs, self.config.seeking_scale)

    def _fresh_noises(self) -> list[Tensor] | None:
        return self.draws.noises(self.generator.config, self.config.seeking_batch)
