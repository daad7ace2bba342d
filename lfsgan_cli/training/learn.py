"""Learning a task: an adapter on a frozen generator, against a discriminator of pictures and patches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from lfsgan_cli.adapted import adapt
from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.discriminator import Discriminator, PatchHead
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.precision import choose, dtype_of
from lfsgan_cli.training import latents, losses, mode_seeking
from lfsgan_cli.training.augment import shifted
from lfsgan_cli.training.average import Average
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.memory import graph_part, with_features
from lfsgan_cli.training.order import Pictures, batch_of, mirrored, shuffled
from lfsgan_cli.training.phases import Phase, Rated, lazy_adam, set_rate
from lfsgan_cli.training.run import Run

R1_RESOLUTION = 64  # where `r1_gamma` is taken as it stands
AVERAGE_RAMP = 0.1  # the average's half-life is at most this share of the steps done


class Learning(Run):
    """One task's adapter against few shots.

    base: the frozen generator. discriminator: a copy of the base's, to be trained and thrown away.
    distances: from pictures [N, 3, R, R] to their perceptual distances from every shot, [N, K], differentiable.
    """

    def __init__(
        self,
        base: Generator,
        adapter: Adapter,
        discriminator: Discriminator,
        shots: Pictures,
        distances: Callable[[Tensor], Tensor],
        config: LearnConfig,
    ) -> None:
        super().__init__(config.seed, base.w_mean.device)
        self.generator, self.adapter, self.discriminator = adapt(base, adapter), adapter, discriminator
        self.head = _seeded_head(base, config.seed).to(self.device)
        self.average = Average(adapter, config.average_steps, AVERAGE_RAMP)
        self.shots, self.distances, self.config = shots, distances, config
        self.dtype = dtype_of(choose(config.precision, self.device, base.config.resolution), base.w_mean.dtype)
        self.targets = batch_of(shots, range(len(shots)), self.device)
        points, owners = latents.most_alike(
            base, distances, len(shots), each=config.anchors_each, candidates=config.anchor_candidates, rng=self.rng,
            dtype=self.dtype,
        )  # fmt: skip
        self.anchors = latents.Anchors(points, owners, config.anchor_spread)
        self.modules = {
            "adapter": adapter, "average": self.average.module, "discriminator": discriminator, "head": self.head
        }  # fmt: skip
        self._file_phases()

    def _file_phases(self) -> None:
        config = self.config
        g, d = list(self.adapter.parameters()), [*self.discriminator.parameters(), *self.head.parameters()]
        mapping, synthesis = _by_half(self.adapter)
        rated = [Rated(mapping, config.lr * config.mapping_rate), Rated(synthesis, config.lr)]
        g_adam = lazy_adam(rated, config.path_every if config.path_weight else 0)
        d_adam = lazy_adam([Rated(d, config.d_lr)], config.r1_every if config.r1_gamma else 0)
        self.optimizers = {"g": g_adam, "d": d_adam}
        r1 = [Phase("r1", config.r1_every, d, d_adam, self._r1_loss)] if config.r1_gamma else []
        path = [Phase("path", config.path_every, g, g_adam, self._path_loss)] if config.path_weight else []
        self.phases = [Phase("d", 1, d, d_adam, self._d_loss), *r1, Phase("g", 1, g, g_adam, self._g_loss), *path]

    @property
    def total(self) -> int:
        """The configured number of steps."""
        return self.config.steps

    def begin(self) -> None:
        """Go on in the shots' order, and at the learning rates, where the run stands."""
        self._indices = shuffled(len(self.shots), self.config.seed, self.done * self.config.batch)
        self._set_rates()

    def follow(self) -> None:
        """The average follows the adapter; towards the end, learning rates fall to zero."""
        self.average.follow(self.adapter, 1, self.done)
        self._set_rates()

    def _set_rates(self) -> None:
        falling = self.config.decay * self.total  # steps
        share = min(1.0, (self.total - self.done) / falling) if falling else 1.0
        for optimizer in self.optimizers.values():
            set_rate(optimizer, share)

    def _is_anchored(self, step: int) -> bool:
        return step % self.config.anchor_every == 0

    def _judge(self, images: Tensor, step: int) -> Tensor:
        return self._score(images.to(self.dtype), step)

    def _score(self, images: Tensor, step: int) -> Tensor:
        """Logits of whole pictures in anchored steps, of patches in all others; computed in the pictures' type."""
        images = shifted(images, self.config.shift, self.choices)
        if self._is_anchored(step):
            logits: Tensor = self.discriminator(images)
            return logits
        patches: Tensor = self.head(self.discriminator.patch_features(images))
        return patches

    def _draw(self, step: int) -> tuple[Tensor, latents.Near | None]:
        """Pictures near the anchors, and where these are, in anchored steps; from anywhere otherwise."""
        count, config = self.config.batch, self.generator.config
        near = None
        if self._is_anchored(step):
            near = self.anchors.near(count, self.rng)
            ws = self.generator.spread(self.generator.mapping(near.z))
        else:
            z = latents.normal(count, config.w_dim, self.rng)
            ws = latents.mixed(self.generator, z, self.config.mixing, self.rng, self.choices)
        image: Tensor = self.generator.synthesis(ws, latents.noises(config, count, self.rng), dtype=self.dtype)
        return image, near

    def _d_loss(self, step: int) -> Iterator[Tensor]:
        self._reals = batch_of(self.shots, list(islice(self._indices, self.config.batch)), self.device)
        if self.config.mirror:
            self._reals = mirrored(self._reals, self.rng)
        with torch.no_grad():
            fakes, _ = self._draw(step)
        yield losses.logistic_d(self._judge(self._reals, step), self._judge(fakes, step))

    def _r1_loss(self, step: int) -> Iterator[Tensor]:
        penalty = losses.r1(lambda images: self._score(images, step), self._reals)
        gamma = self.config.r1_gamma * (self.generator.config.resolution / R1_RESOLUTION) ** 2
        yield penalty * (gamma / 2 * self.config.r1_every)

    def _g_loss(self, step: int) -> Iterator[Tensor]:
        fakes, near = self._draw(step)
        loss = losses.nonsaturating_g(self._judge(fakes, step))
        if near is not None and self.config.anchor_weight:
            loss = loss + self.config.anchor_weight * self._anchor_loss(fakes, near)
        yield loss
        if self.config.seeking_weight and step % self.config.seeking_every == 0:
            yield self.config.seeking_weight * self._seeking_loss()

    def _anchor_loss(self, fakes: Tensor, near: latents.Near) -> Tensor:
        """How far pictures are from their anchors' shots, perceptually and pixel by pixel; the closer, the heavier."""
        perceptual = self.distances(fakes).gather(1, near.shots[:, None])[:, 0]
        pixels = (fakes - self.targets[near.shots]).abs().mean((1, 2, 3))
        return (near.closeness * (perceptual + pixels)).mean()

    def _seeking_loss(self) -> Tensor:
        # The network's constant noise, so that two pictures of a pair differ by their latents alone.
        z = latents.normal(self.config.seeking_batch, self.generator.config.w_dim, self.rng)
        w = self.generator.mapping(z)
        part = graph_part(len(w), self.generator.config, self.dtype)
        images, *features = with_features(self.generator, w, self.dtype, part)
        with torch.no_grad():
            pairs = mode_seeking.cluster_wise(self.distances(images).argmin(1))
        return mode_seeking.seek(mode_seeking.pair_ratios(z, w, features, images, pairs), pairs)

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        count, config = max(1, self.config.batch // 2), self.generator.config
        z = latents.normal(count, config.w_dim, self.rng)
        ws = latents.mixed(self.generator, z, self.config.mixing, self.rng, self.choices)
        if not ws.requires_grad:  # an adapter that leaves the mapping alone
            ws.requires_grad_()
        image = self.generator.synthesis(ws, latents.noises(config, count, self.rng))
        noise = torch.randn(image.shape, generator=self.rng, device=self.device)
        path = losses.path_length(image, ws, self.path_mean, noise)
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)


def _by_half(adapter: Adapter) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The adapter's parameters that change the mapping, and all others."""
    halves: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for name, parameter in adapter.named_parameters():
        halves[not name.startswith(("weights.mapping/", "features.mapping/"))].append(parameter)
    return halves


def _seeded_head(base: Generator, seed: int) -> PatchHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PatchHead(base.config)
