"""Pretraining: a StyleGAN2 base from a set of images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.system.device import choose, dtype_of
from lfsgan_cli.training import losses
from lfsgan_cli.training.batches import Images, batch_of, mirrored, mixed, shuffled
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.discriminator import FeatureDiscriminator, risen
from lfsgan_cli.training.loop import EMA, Phase, Rated, TrainingLoop, lazy_adam, set_rate

CALIBRATED = 256  # real images from which the scale of frozen features is computed
ANNEALED_HALF_LIFE = 5  # times the EMA's half-life, once learning rates have fallen to zero


class Pretraining(TrainingLoop):
    """A generator and a discriminator trained on images, and the generator's EMA.

    With `feature_weight`, a second discriminator scores frozen features. Its weight rises in the beginning and falls
    with the learning rates, so that only the first one counts in the end.

    generator, ema and discriminator are on one device; `ema` is where the EMA starts.
    """

    def __init__(
        self,
        generator: Generator,
        ema: Generator,
        discriminator: Discriminator,
        images: Images,
        config: PretrainConfig,
    ) -> None:
        super().__init__(config.seed, generator.w_mean.device)
        self.generator, self.discriminator = generator, discriminator
        self.ema = EMA(ema, config.ema_kimg * 1000, config.ema_ramp)
        self.images, self.config = images, config
        self.dtype = dtype_of(
            choose(config.precision, self.device, generator.config.resolution), generator.w_mean.dtype
        )
        self.modules = {"generator": generator, "ema": self.ema.module, "discriminator": discriminator}
        g, d = list(generator.parameters()), list(discriminator.parameters())
        g_adam = lazy_adam([Rated(g, config.lr)], config.path_every if config.path_weight else 0)
        d_adam = lazy_adam([Rated(d, config.lr)], config.r1_every if config.r1_gamma else 0)
        self.optimizers = {"g": g_adam, "d": d_adam}
        path = [Phase("path", config.path_every, g, g_adam, self._path_loss)] if config.path_weight else []
        r1 = [Phase("r1", config.r1_every, d, d_adam, self._r1_loss)] if config.r1_gamma else []
        adversarial = Phase("g", 1, g, g_adam, self._g_loss), Phase("d", 1, d, d_adam, self._d_loss)
        self.phases = [adversarial[0], *path, adversarial[1], *r1]
        self.features = self._add_features() if config.feature_weight else None

    def _add_features(self) -> FeatureDiscriminator:
        config = self.config
        features = FeatureDiscriminator(config.seed, self.random.choices, self.device)
        first = islice(shuffled(len(self.images), config.seed, 0), min(CALIBRATED, len(self.images)))
        features.calibrate(batch_of(self.images, list(first), self.device))
        phase = features.phase("heads", config.lr, lambda: self._reals)
        self.modules = {**self.modules, "heads": features}
        self.optimizers, self.phases = {**self.optimizers, "heads": phase.optimizer}, [*self.phases, phase]
        return features

    @property
    def total(self) -> int:
        """Steps until the configured number of images was shown."""
        return self.config.steps

    def begin(self) -> None:
        """Continue in the images' order, and at the learning rates, after the steps that are done."""
        self._indices = shuffled(len(self.images), self.config.seed, self.done * self.config.batch)
        self._anneal()

    def follow(self) -> None:
        """Update the EMA; in the last steps, learning rates fall to zero."""
        self.ema.follow(self.generator, self.config.batch, self.done * self.config.batch)
        self._anneal()

    def _anneal(self) -> None:
        """Learning rates fall to zero over the last `decay` of the steps; the EMA's half-life grows meanwhile."""
        falling = self.config.decay * self.total  # steps
        self.annealed = 1 - min(1.0, (self.total - self.done) / falling) if falling else 0.0
        for optimizer in self.optimizers.values():
            set_rate(optimizer, 1 - self.annealed)
        longer = 1 + (ANNEALED_HALF_LIFE - 1) * self.annealed
        self.ema.half_life = self.config.ema_kimg * 1000 * longer

    def _generate(self, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        config = self.generator.config
        z = self.random.normal(count, config.w_dim)
        ws = mixed(self.generator, z, self.config.mixing, self.random)
        image: Tensor = self.generator.synthesis(ws, self.random.noises(config, count), dtype=dtype)
        return image.to(dtype), ws

    def _g_loss(self, _step: int) -> Iterator[Tensor]:
        fakes, _ = self._generate(self.config.batch, self.dtype)
        loss = losses.nonsaturating_g(self.discriminator(fakes))
        self._fakes = fakes.detach()
        if self.features is not None:
            share = risen(self.done * self.config.batch, self.config.feature_ramp_kimg * 1000)
            weight = self.config.feature_weight * share * (1 - self.annealed)
            loss = loss + self.features.generator_loss(fakes, weight)
        yield loss

    def _d_loss(self, _step: int) -> Iterator[Tensor]:
        """On the images that the generator has just learned from, so that none are generated twice."""
        self._reals = batch_of(self.images, list(islice(self._indices, self.config.batch)), self.device)
        if self.config.mirror:
            self._reals = mirrored(self._reals, self.random.rng)
        both = torch.cat([self._reals.to(self.dtype), self._fakes])  # one pass costs less than two
        yield losses.logistic_d(*self.discriminator(both, sets=2).chunk(2))

    def _r1_loss(self, _step: int) -> Iterator[Tensor]:
        penalty = losses.r1(self.discriminator, self._reals)
        yield penalty * (self.config.r1_gamma / 2 * self.config.r1_every)

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        image, ws = self._generate(max(1, self.config.batch // 2), self.generator.w_mean.dtype)
        noise = self.random.normal(*image.shape)
        path = losses.path_length(image, ws, self.path_mean, noise)
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)
