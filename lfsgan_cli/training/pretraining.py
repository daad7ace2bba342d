"""Pretraining: a StyleGAN2 base from a set of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.system.device import choose, dtype_of
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.training import autoencoder, losses, memory
from lfsgan_cli.training.autoencoder import ImageEmbeddings, ImageEncoder, embedding_work, reconstruction_loss
from lfsgan_cli.training.batches import Advance, Batches, Images, batch_of, flipped, mixed, shuffled
from lfsgan_cli.training.config import AugmentConfig, PretrainConfig
from lfsgan_cli.training.discriminator import Augmentation, FeatureDiscriminator, risen
from lfsgan_cli.training.latent_flow import fit_mapping
from lfsgan_cli.training.loop import EMA, Phase, Rated, Step, TrainingLoop, dense_adam, lazy_adam, set_rate

ADA_IMAGES = 500_000  # in which the probability of augmentation can rise from 0 to 1, as in the paper
CALIBRATED = 256  # real images from which the scale of frozen features is computed
DECODER_RATE = 1.5  # of the synthesis while it learns to reconstruct, against adversarial training
DECODER_DECAY = 0.3  # last share of the reconstruction in which its learning rates fall
ANNEALED_HALF_LIFE = 5  # times the EMA's half-life, once learning rates have fallen to zero


class Pretraining(TrainingLoop):
    """A generator and a discriminator trained on images, and the generator's EMA.

    With `feature_weight`, a second discriminator scores frozen features. Its weight rises in the beginning and falls
    with the learning rates, so that only the first one counts in the end.

    With `reconstruction_kimg`, the synthesis first learns to reconstruct the training images, see `autoencoder`. Then
    the mapping learns to draw their codes, see `latent_flow`, and stays as it is. Half of what is generated in
    adversarial training are reconstructions, which both discriminators see too.

    With `augment` "ada", the first discriminator sees augmented images only (Karras et al., NeurIPS 2020).

    generator, ema and discriminator are on one device; `ema` is where the EMA starts. ranks: the processes that train
    together, each on its rows of every batch; RanksBatchError. advance: told of `embedding_work`.
    """

    def __init__(
        self,
        generator: Generator,
        ema: Generator,
        discriminator: Discriminator,
        images: Images,
        config: PretrainConfig,
        ranks: Ranks = ALONE,
        advance: Advance = lambda _images: None,
    ) -> None:
        super().__init__(config.seed, generator.w_mean.device, ranks.of_batch(config.batch))
        self.batch = config.batch // ranks.count  # rows of this process
        self.generator, self.discriminator = generator, discriminator
        self.ema = EMA(ema, config.ema_kimg * 1000, config.ema_ramp)
        self.images, self.config = images, config
        self.dtype = dtype_of(
            choose(config.precision, self.device, generator.config.resolution), generator.w_mean.dtype
        )
        self.modules = {"generator": generator, "ema": self.ema.module, "discriminator": discriminator}
        self.augmentation = None
        if config.augment == "ada":
            self.augmentation = Augmentation(AugmentConfig(mode="adaptive", rise=ADA_IMAGES), self.random)
            self.modules = {**self.modules, "augmentation": self.augmentation}
        # What draws codes must go on to draw them all: adversarial training would move it to the usual ones.
        learning = generator.synthesis if config.reconstruction_kimg else generator
        g, d = list(learning.parameters()), list(discriminator.parameters())
        g_adam = lazy_adam([Rated(g, config.lr)], config.path_every if config.path_weight else 0)
        d_adam = lazy_adam([Rated(d, config.lr)], config.r1_every if config.r1_gamma else 0)
        self.optimizers = {"g": g_adam, "d": d_adam}
        path = [Phase("path", config.path_every, g, g_adam, self._path_loss)] if config.path_weight else []
        r1 = [Phase("r1", config.r1_every, d, d_adam, self._r1_loss)] if config.r1_gamma else []
        adversarial = Phase("g", 1, g, g_adam, self._g_loss), Phase("d", 1, d, d_adam, self._d_loss)
        self.phases = [adversarial[0], *path, adversarial[1], *r1]
        self.features = self._add_features() if config.feature_weight else None
        self.encoder = self._add_encoder(advance) if config.reconstruction_kimg else None
        ranks.average_gradients(self.optimizers.values())

    def _add_features(self) -> FeatureDiscriminator:
        config = self.config
        features = FeatureDiscriminator(config.seed, self.random.choices, self.device, self.ranks)
        first = islice(shuffled(len(self.images), config.seed, 0), min(CALIBRATED, len(self.images)))
        features.calibrate(batch_of(self.images, list(first), self.device))
        phase = features.phase("heads", config.lr, lambda: self._reals)
        self.modules = {**self.modules, "heads": features}
        self.optimizers, self.phases = {**self.optimizers, "heads": phase.optimizer}, [*self.phases, phase]
        return features

    def _add_encoder(self, advance: Advance) -> ImageEncoder:
        config, first = self.config, self.config.reconstruction_steps
        embeddings = ImageEmbeddings(
            self.images, mirror=config.mirror, seed=config.seed, device=self.device, advance=advance
        )
        encoder = ImageEncoder(embeddings, self.generator, config.seed)
        layers, synthesis = list(encoder.parameters()), list(self.generator.synthesis.parameters())
        decoding = dense_adam([Rated(synthesis, DECODER_RATE * config.lr), Rated(layers, config.lr / 2)])
        both = [*synthesis, *layers]
        adversarial = [replace(phase, first=first) for phase in self.phases]
        self.phases = [
            Phase("reconstruction", 1, both, decoding, self._reconstruction_loss, last=first),
            *adversarial,
        ]
        self.modules = {**self.modules, "encoder": encoder}
        self.optimizers = {**self.optimizers, "reconstruction": decoding}
        return encoder

    @property
    def total(self) -> int:
        """Steps until the configured number of images was shown."""
        return self.config.steps

    def steps(self) -> Iterator[Step]:
        """Train to the end, from the last finished step on; after the reconstruction the mapping learns to draw codes.

        That is long work between two steps: `meanwhile` is told of it. Where it is ended, a resumed run begins it anew.
        """
        if self.encoder is not None and not self.encoder.drawn:
            config, mapping = self.config, self.generator.mapping
            yield from self.steps_until(config.reconstruction_steps)
            for progress in fit_mapping(mapping, self.encoder.all_w(), config.mapping_fit_updates, config.seed):
                self.meanwhile(*progress)
            self.ema.module.mapping.load_state_dict(mapping.state_dict())
            self.encoder.drawn.fill_(True)  # noqa: FBT003 - the value
        yield from self.steps_until(self.total)

    def begin(self) -> None:
        """Continue in the images' order, and at the learning rates, after the steps that are done."""
        order = shuffled(len(self.images), self.config.seed, self.done * self.config.batch)

        def rows(whole: int) -> Tensor:
            return torch.tensor(list(islice(order, whole)))

        self._batches = Batches(self.images, lambda: self.ranks.rows(rows, self.batch).tolist(), self.device)
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
        if first := self.config.reconstruction_steps:
            set_rate(self.optimizers["reconstruction"], max(0.0, min(1.0, (1 - self.done / first) / DECODER_DECAY)))
        longer = 1 + (ANNEALED_HALF_LIFE - 1) * self.annealed
        self.ema.half_life = self.config.ema_kimg * 1000 * longer

    @property
    def _adversarial_share(self) -> float:
        """From 0 to 1 over the first `feature_ramp_kimg` of adversarial training."""
        shown = max(0, self.done - self.config.reconstruction_steps) * self.config.batch
        return risen(shown, self.config.feature_ramp_kimg * 1000)

    def _generate(self, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        config = self.generator.config
        z = self.random.normal(count, config.w_dim)
        ws = mixed(self.generator, z, self.config.mixing, self.random)
        image: Tensor = self.generator.synthesis(ws, self.random.noises(config, count), dtype=dtype)
        return image.to(dtype), ws

    def _g_loss(self, _step: int) -> Iterator[Tensor]:
        reconstructed = self.batch // 2 if self.encoder else 0
        fakes, _ = self._generate(self.batch - reconstructed, self.dtype)
        scored, loss = self._augmented(fakes), torch.zeros((), device=self.device)
        if self.encoder:
            self._take_reals()
            # Codes stay as they are from here on: the EMA of the mapping could not follow moving ones.
            again = self._reconstructed(self.encoder, self._taken[:reconstructed], self._flips[:reconstructed])
            loss = self.config.reconstruction_weight * reconstruction_loss(again, self._reals[:reconstructed])
            fakes = torch.cat([fakes, again.to(self.dtype)])
            scored = torch.cat([scored, self._augmented(again.to(self.dtype))])
        self._scored = scored.detach()
        loss = loss + losses.nonsaturating_g(self.discriminator(scored))
        if self.features is not None:
            weight = self.config.feature_weight * self._adversarial_share * (1 - self.annealed)
            loss = loss + self.features.generator_loss(fakes, weight)
        yield loss

    def _d_loss(self, _step: int) -> Iterator[Tensor]:
        """On the images that the generator has just learned from, so that none are generated twice."""
        if not self.encoder:
            self._take_reals()
        both = torch.cat([self._augmented(self._reals.to(self.dtype)), self._scored])  # one pass costs less than two
        real, fake = self.discriminator(both, sets=2).chunk(2)
        yield losses.logistic_d(real, fake)
        if self.augmentation is not None:
            self.augmentation.observe(real, self.config.batch)

    def _augmented(self, images: Tensor) -> Tensor:
        return images if self.augmentation is None else self.augmentation(images)

    def _take_reals(self) -> None:
        """The step's training images, their indices, and which of them are flipped."""
        taken, self._reals = self._batches.take()
        self._taken = torch.tensor(taken, device=self.device)
        self._flips = torch.zeros(len(self._taken), dtype=torch.bool, device=self.device)
        if self.config.mirror:
            self._flips = self.random.flips(len(self._taken))
            self._reals = flipped(self._reals, self._flips)

    def _reconstructed(self, encoder: ImageEncoder, indices: Tensor, flips: Tensor) -> Tensor:
        """What the generator makes of the codes of training images [N]: float [N, 3, R, R]."""
        w = encoder.noisy_w(encoder(indices, flips), self.random)
        noise = self.random.noises(self.generator.config, len(w))
        image: Tensor = self.generator.synthesis(self.generator.spread(w), noise, dtype=self.dtype)
        return image

    def _reconstruction_loss(self, _step: int) -> Iterator[Tensor]:
        assert self.encoder is not None  # noqa: S101 - this phase exists only with an encoder
        self._take_reals()
        yield reconstruction_loss(self._reconstructed(self.encoder, self._taken, self._flips), self._reals)

    def _r1_loss(self, _step: int) -> Iterator[Tensor]:
        penalty = losses.r1(lambda images: self.discriminator(self._augmented(images)), self._reals)
        yield penalty * (self.config.r1_gamma / 2 * self.config.r1_every)

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        image, ws = self._generate(max(1, self.batch // 2), self.generator.w_mean.dtype)
        noise = self.random.normal(*image.shape)
        path = losses.path_length(image, ws, self.path_mean, noise, self.ranks.mean)
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)


def memory_needed(network: NetworkConfig, training: PretrainConfig, images: int, ranks: Ranks = ALONE) -> int:
    """Bytes at most, within a quarter: both generators, the discriminator, their optimizers, the largest step.

    images: the training images, each of which has an embedding where they are reconstructed. ranks: each has all of
    this, but only its part of the batch.
    """
    batch = training.batch // ranks.count
    generator, discriminator = memory.sizes(network)
    weights = 2 * generator + discriminator + memory.COPIES * (generator + discriminator)
    frozen = batch * memory.FROZEN if training.feature_weight else 0
    if training.reconstruction_kimg:
        rows = 2 * 2 * embedding_work(training, images)  # half floats, twice while joined
        frozen += autoencoder.EMBEDDED * (rows + 3 * memory.NUMBER * min(images, autoencoder.CALIBRATED))
    one = memory.PROGRAM + frozen + memory.NUMBER * (weights + batch * memory.GRAPH * memory.feature_numbers(network))
    return one * ranks.sharing
