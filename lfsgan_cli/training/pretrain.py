"""Pretraining: a StyleGAN2 from a set of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.precision import choose, dtype_of
from lfsgan_cli.training import latents, losses
from lfsgan_cli.training.average import Average
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.order import Pictures, batch_of, mirrored, shuffled
from lfsgan_cli.training.phases import Phase, Rated, lazy_adam
from lfsgan_cli.training.run import Run


class Pretraining(Run):
    """The live generator and discriminator against pictures, and the generator's average.

    generator, average and discriminator are on one device; the average starts wherever the one passed in stands.
    """

    def __init__(
        self,
        generator: Generator,
        average: Generator,
        discriminator: Discriminator,
        pictures: Pictures,
        config: PretrainConfig,
    ) -> None:
        super().__init__(config.seed, generator.w_mean.device)
        self.generator, self.discriminator = generator, discriminator
        self.average = Average(average, config.average_kimg * 1000, config.average_ramp)
        self.pictures, self.config = pictures, config
        self.dtype = dtype_of(
            choose(config.precision, self.device, generator.config.resolution), generator.w_mean.dtype
        )
        self.modules = {"live": generator, "average": self.average.module, "discriminator": discriminator}
        g, d = list(generator.parameters()), list(discriminator.parameters())
        g_adam = lazy_adam([Rated(g, config.lr)], config.path_every if config.path_weight else 0)
        d_adam = lazy_adam([Rated(d, config.lr)], config.r1_every if config.r1_gamma else 0)
        self.optimizers = {"g": g_adam, "d": d_adam}
        r1 = [Phase("r1", config.r1_every, d, d_adam, self._r1_loss)] if config.r1_gamma else []
        path = [Phase("path", config.path_every, g, g_adam, self._path_loss)] if config.path_weight else []
        adversarial = Phase("d", 1, d, d_adam, self._d_loss), Phase("g", 1, g, g_adam, self._g_loss)
        self.phases = [adversarial[0], *r1, adversarial[1], *path]

    @property
    def total(self) -> int:
        """Steps until the configured number of pictures was shown."""
        return self.config.steps

    def begin(self) -> None:
        """Go on in the pictures' order where the run stands."""
        self._indices = shuffled(len(self.pictures), self.config.seed, self.done * self.config.batch)

    def follow(self) -> None:
        """The average follows the live generator."""
        self.average.follow(self.generator, self.config.batch, self.done * self.config.batch)

    def _draw(self, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        config = self.generator.config
        z = self.draws.normal(count, config.w_dim)
        ws = latents.mixed(self.generator, z, self.config.mixing, self.draws)
        image: Tensor = self.generator.synthesis(ws, self.draws.noises(config, count), dtype=dtype)
        return image.to(dtype), ws

    def _d_loss(self, _step: int) -> Iterator[Tensor]:
        self._reals = batch_of(self.pictures, list(islice(self._indices, self.config.batch)), self.device)
        if self.config.mirror:
            self._reals = mirrored(self._reals, self.draws.rng)
        with torch.no_grad():
            fakes, _ = self._draw(self.config.batch, self.dtype)
        yield losses.logistic_d(self.discriminator(self._reals.to(self.dtype)), self.discriminator(fakes))

    def _r1_loss(self, _step: int) -> Iterator[Tensor]:
        penalty = losses.r1(self.discriminator, self._reals)
        yield penalty * (self.config.r1_gamma / 2 * self.config.r1_every)

    def _g_loss(self, _step: int) -> Iterator[Tensor]:
        fakes, _ = self._draw(self.config.batch, self.dtype)
        yield losses.nonsaturating_g(self.discriminator(fakes))

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        image, ws = self._draw(max(1, self.config.batch // 2), self.generator.w_mean.dtype)
        noise = self.draws.normal(*image.shape)
        path = losses.path_length(image, ws, self.path_mean, noise)
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)
