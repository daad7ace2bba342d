"""Learning a task: an adapter on a frozen generator, against a discriminator of whole images and patches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.recipe import RecipeLoss, TrainedNetworks
from lfsgan_cli.system.device import choose, dtype_of
from lfsgan_cli.training import losses
from lfsgan_cli.training.anchors import Anchors, Near, anchor_points
from lfsgan_cli.training.batches import (
    Advance,
    Batches,
    Images,
    RandomSource,
    batch_of,
    mirrored,
    mixed,
    reference_images,
    shuffled,
)
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.discriminator import FeatureDiscriminator, PatchDiscriminator, risen
from lfsgan_cli.training.loop import EMA, Phase, Rated, Tensors, TrainingLoop, lazy_adam, set_rate
from lfsgan_cli.training.losses import EnergyDistance, MemorizationPenalty
from lfsgan_cli.training.memory import graph_part, with_features
from lfsgan_cli.training.perceptual import PerceptualDistance

R1_RESOLUTION = 64  # side at which `discriminator.r1_gamma` is used unscaled
EMA_RAMP = 0.1  # the EMA's half-life is at most this share of the steps done
FEATURE_WIDTH = 64  # channels of the heads on frozen features: few images need fewer than pretraining's
NOISE = "/noise/strength."  # in the names of parameters that change how strong a noise input is
POINTS = "anchors.points"  # in a checkpoint
MAPPING = ("weights.mapping/", "features.mapping/")  # prefixes of parameters that change the mapping network


class Learning(TrainingLoop):
    """One task's adapter, learned from few images.

    base: the frozen generator. discriminator: a copy of the base's, trained and then discarded. images: all training
    images. perceptual: distances to `reference_images(images, config.seed)`. advance: told of `anchor_work`. loss: the
    recipe's own, if it has one.
    """

    def __init__(
        self,
        base: Generator,
        adapter: Adapter,
        discriminator: Discriminator,
        images: Images,
        perceptual: PerceptualDistance,
        config: LearnConfig,
        advance: Advance = lambda _images: None,
        loss: type[RecipeLoss] | None = None,
    ) -> None:
        super().__init__(config.seed, base.w_mean.device)
        self.base, self.generator, self.adapter = base, adapt(base, adapter), adapter
        self.ema = EMA(adapter, config.optim.ema_steps, EMA_RAMP)
        self.images, self.perceptual, self.config = images, perceptual, config
        self.dtype = dtype_of(choose(config.precision, self.device, base.config.resolution), base.w_mean.dtype)
        self.discriminator = PatchDiscriminator(discriminator, config, self.random, self.device)
        references = reference_images(images, config.seed)
        self.references = batch_of(references, range(len(references)), self.device)
        self.comparison = SampleComparison(self.generator, perceptual, self.references, config, self.random, self.dtype)
        points = anchor_points(base, perceptual, config.anchors, self.random, self.dtype, advance)
        self.anchors = Anchors(points, config.anchors.spread, config.anchors.noise)
        self.modules = {
            "adapter": adapter, "ema": self.ema.module,
            "discriminator": discriminator, "patch_head": self.discriminator.head,
        }  # fmt: skip
        self.features = None
        if config.features.weight:
            self.features = FeatureDiscriminator(config.seed, self.random.choices, self.device, width=FEATURE_WIDTH)
            self.features.calibrate(self.references)
            self.modules = {**self.modules, "features": self.features}
        if self.discriminator.augmentation is not None:
            self.modules = {**self.modules, "augmentation": self.discriminator.augmentation}
        self.loss = None
        if loss is not None and config.loss_weight:
            parts = TrainedNetworks(
                base, adapter, self.generator, discriminator, self.references, config.batch, self.dtype,
                self.random.rng, self.random.choices,
            )  # fmt: skip
            self.loss = loss(parts).to(self.device)
            self.modules = {**self.modules, "loss": self.loss}
        self.set_phases()

    def set_phases(self) -> None:
        """Make optimizers and phases for the modules as they are now."""
        config, r1_every, path_every = self.config, self.config.discriminator.r1_every, self.config.path_every
        has_r1, has_path, gradients = config.discriminator.r1_gamma, config.path_weight, config.optim.gradients
        own = [] if self.loss is None else list(self.loss.parameters())
        g, d = list(self.adapter.parameters()), [*self.discriminator.parameters, *own]
        g_adam = lazy_adam(rated(self.adapter, config), path_every if has_path else 0, gradients)
        d_adam = lazy_adam([Rated(d, config.discriminator.lr)], r1_every if has_r1 else 0, gradients)
        self.optimizers = {"g": g_adam, "d": d_adam}
        r1 = [Phase("r1", r1_every, d, d_adam, self._r1_loss)] if has_r1 else []
        path = [Phase("path", path_every, g, g_adam, self._path_loss)] if has_path else []
        self.phases = [Phase("d", 1, d, d_adam, self._d_loss), *r1, Phase("g", 1, g, g_adam, self._g_loss), *path]
        if self.features is not None:
            phase = self.features.phase("features", config.features.lr, lambda: self._reals, gradients)
            self.optimizers = {**self.optimizers, "features": phase.optimizer}
            self.phases = [*self.phases, phase]

    @property
    def total(self) -> int:
        """The configured number of steps."""
        return self.config.steps

    @property
    def learned(self) -> Adapter:
        """The adapter to store: the EMA."""
        return self.ema.module

    def pack(self) -> Tensors:
        """With the anchors' points: another processor rounds otherwise, and might choose others on a resume."""
        return {**super().pack(), POINTS: self.anchors.points.cpu()}

    def unpack(self, tensors: Tensors) -> None:
        """See `TrainingLoop`; checkpoints of earlier versions hold no points."""
        super().unpack(tensors)
        if POINTS in tensors:
            self.anchors.points = tensors[POINTS].to(self.device)

    def begin(self) -> None:
        """Continue in the images' order, and at the learning rates, after the steps that are done."""
        if self.loss is not None and not self.done:
            self.loss.start()
        batch = self.config.batch
        order = shuffled(len(self.images), self.config.seed, self.done * batch)
        self._batches = Batches(self.images, lambda: list(islice(order, batch)), self.device)
        self._set_rates()

    def follow(self) -> None:
        """Update the EMA; in the last steps, learning rates fall to zero."""
        self.ema.follow(self.adapter, 1, self.done)
        self._set_rates()

    def _set_rates(self) -> None:
        falling = self.config.optim.decay * self.total  # steps
        self.rate_share = min(1.0, (self.total - self.done) / falling) if falling else 1.0
        for optimizer in self.optimizers.values():
            set_rate(optimizer, self.rate_share)

    def _score(self, images: Tensor, step: int, sets: int = 1) -> Tensor:
        """Logits of patches between anchored steps, of whole images otherwise; computed in the images' dtype."""
        if self.config.scores_patches(step):
            return self.discriminator.patches(images)
        return self.discriminator.whole(images, sets)

    def _generate(self, step: int) -> tuple[Tensor, Near | None]:
        """Images near the anchors, and where these are, in anchored steps; of random latents otherwise."""
        count, network = self.config.batch, self.generator.config
        near = None
        if self.config.is_anchored(step):
            near = self.anchors.near(count, self.random)
            ws = self.generator.spread(self.generator.mapping(near.z))
        else:
            ws = mixed(self.generator, self.random.normal(count, network.w_dim), self.config.mixing, self.random)
        image: Tensor = self.generator.synthesis(ws, self.random.noises(network, count), dtype=self.dtype)
        return image, near

    def _next_reals(self) -> Tensor:
        _, reals = self._batches.take()
        return mirrored(reals, self.random.rng) if self.config.mirror else reals

    def _d_loss(self, step: int) -> Iterator[Tensor]:
        self._reals = self._next_reals()
        with torch.no_grad():
            fakes, _ = self._generate(step)
        both = torch.cat([self._reals, fakes])  # one pass costs less than two
        real, fake = self._score(both.to(self.dtype), step, sets=2).chunk(2)
        yield losses.logistic_d(real, fake)
        if self.discriminator.augmentation is not None:
            self.discriminator.augmentation.observe(real, len(self._reals))
        if self.loss is not None and (own := self.loss.discriminator_loss(step, self._reals)) is not None:
            yield self.config.loss_weight * own

    def _r1_loss(self, step: int) -> Iterator[Tensor]:
        config = self.config.discriminator
        penalty = losses.r1(lambda images: self._score(images, step), self._reals)
        pixels = (self.generator.config.resolution / R1_RESOLUTION) ** 2 if config.r1_scaled else 1.0
        yield penalty * (config.r1_gamma * pixels / 2 * config.r1_every)

    def _g_loss(self, step: int) -> Iterator[Tensor]:
        fakes, near = self._generate(step)
        loss = losses.nonsaturating_g(self._score(fakes.to(self.dtype), step))
        if near is not None and self.config.anchors.weight:
            loss = loss + self.config.anchors.weight * self._anchor_loss(fakes, near)
        if self.features is not None:
            config = self.config.features
            weight = config.weight * risen(step, config.ramp) * self.rate_share
            loss = loss + self.features.generator_loss(fakes, weight)
        yield loss
        if self.loss is not None and (own := self.loss.generator_loss(step)) is not None:
            yield self.config.loss_weight * own
        if self.config.compares_samples_at(step):
            yield self.comparison.loss(self._reals)

    def _anchor_loss(self, fakes: Tensor, near: Near) -> Tensor:
        """Perceptual and pixel distance of images from their anchors' training images, weighted by closeness."""
        distances = self.perceptual.to_images(fakes).gather(1, near.images[:, None])[:, 0]
        pixels = (fakes - self.references[near.images]).abs().mean((1, 2, 3))
        return (near.closeness**self.config.anchors.focus * (distances + pixels)).mean()

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        count, network = max(1, self.config.batch // 2), self.generator.config
        ws = mixed(self.generator, self.random.normal(count, network.w_dim), self.config.mixing, self.random)
        if not ws.requires_grad:  # an adapter that does not change the mapping network
            ws.requires_grad_()
        image = self.generator.synthesis(ws, self.random.noises(network, count))
        path = losses.path_length(image, ws, self.path_mean, self.random.normal(*image.shape))
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)


class SampleComparison:
    """Losses that compare samples with each other and with training images: mode seeking, memorization, energy.

    references: the training images that samples are compared with, [K, 3, R, R].
    """

    def __init__(
        self,
        generator: Generator,
        perceptual: PerceptualDistance,
        references: Tensor,
        config: LearnConfig,
        random: RandomSource,
        dtype: torch.dtype,
    ) -> None:
        self.generator, self.perceptual, self.config = generator, perceptual, config
        self.random, self.dtype = random, dtype
        self.memorization = (
            MemorizationPenalty(references, mirror=config.mirror) if config.memorization_weight else None
        )
        self.energy = EnergyDistance(perceptual.images) if config.energy_weight else None

    def loss(self, reals: Tensor) -> Tensor:
        """The weighted sum of all losses that the configuration enables. reals: the step's images, [N, 3, R, R]."""
        config, seeking, network = self.config, self.config.mode_seeking, self.generator.config
        z = self.random.normal(seeking.batch, network.w_dim)
        w = self.generator.mapping(z)
        noises = self.random.noises(network, seeking.batch) if seeking.noise == "random" else None
        part = graph_part(len(w), network, self.dtype, w.device)
        images, *features = with_features(self.generator, w, noises, self.dtype, part)
        embeddings = self.perceptual.embed(images if self.energy else images.detach())
        terms = []
        if seeking.weight:
            with torch.no_grad():
                centers = self.perceptual.images if seeking.centers == "images" else self.perceptual.embed(reals)
                clusters = self.perceptual.between(embeddings, centers).argmin(1)
                pairs = losses.pairs_of(clusters, seeking.pairs, seeking.reduction)
            ratios = losses.pair_ratios(z, w, features, images, pairs)
            terms.append(seeking.weight * losses.mode_seeking_loss(ratios, pairs, seeking.epsilon))
        if self.memorization:
            terms.append(config.memorization_weight * self.memorization.loss(images))
        if self.energy:
            terms.append(config.energy_weight * self.energy.loss(embeddings))
        return torch.stack(terms).sum()


def rated(adapter: Adapter, config: LearnConfig) -> list[Rated]:
    """An adapter's parameters by learning rate: those that change the mapping network first, then all others."""
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in adapter.named_parameters():
        share = adapter.rates.get(name, 1.0) if config.optim.adapter_rates else 1.0
        share *= config.optim.noise_lr_scale if NOISE in name else 1.0
        groups.setdefault((not name.startswith(MAPPING), share), []).append(parameter)
    scales = {False: config.optim.mapping_lr_scale, True: 1.0}
    return [Rated(groups[part, share], config.lr * scales[part] * share) for part, share in sorted(groups)]
