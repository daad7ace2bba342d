"""Learning a task: an adapter on a frozen generator, against a discriminator of pictures and patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import torch
from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.apply import adapt
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.system.device import choose, dtype_of
from lfsgan_cli.training import batches, losses
from lfsgan_cli.training.anchors import Anchors, Near, anchor_points
from lfsgan_cli.training.batches import Images, RandomSource, batch_of, mirrored, shuffled
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.correspondence import Correspondence
from lfsgan_cli.training.coverage import missing_entropy
from lfsgan_cli.training.discriminator import PatchDiscriminator
from lfsgan_cli.training.ema import EMA
from lfsgan_cli.training.loop import Phase, Rated, TrainingLoop, lazy_adam, set_rate
from lfsgan_cli.training.losses import (
    MemorizationPenalty,
    Pairs,
    energy_distance,
    mode_seeking_loss,
    pair_ratios,
    pairs_of,
)
from lfsgan_cli.training.memory import graph_part, with_features
from lfsgan_cli.training.perceptual import PerceptualDistance
from lfsgan_cli.training.selection import Best, Last, Selection

R1_RESOLUTION = 64  # where `r1_gamma` is taken as it stands
AVERAGE_RAMP = 0.1  # the average's half-life is at most this share of the steps done


class Learning(TrainingLoop):
    """One task's adapter against few shots.

    base: the frozen generator. discriminator: a copy of the base's, to be trained and thrown away. likeness: to the
    shots. held: pictures that are not learned from and choose the snapshot; without any, the last one is taken.
    """

    def __init__(
        self,
        base: Generator,
        adapter: Adapter,
        discriminator: Discriminator,
        shots: Images,
        likeness: PerceptualDistance,
        config: LearnConfig,
        held: Images = (),
    ) -> None:
        super().__init__(config.seed, base.w_mean.device)
        self.generator, self.adapter = adapt(base, adapter), adapter
        self.average = EMA(adapter, config.average_steps, AVERAGE_RAMP)
        self.shots, self.likeness, self.config = shots, likeness, config
        self.dtype = dtype_of(choose(config.precision, self.device, base.config.resolution), base.w_mean.dtype)
        self.judge = PatchDiscriminator(discriminator, config, self.draws, self.device)
        self.correspondence = Correspondence(base, self.generator, config, self.draws, self.dtype)
        self.targets = batch_of(self.shots, range(len(self.shots)), self.device)
        self.seeking = Seeking(self.generator, likeness, self.targets, config, self.draws, self.dtype)
        points, owners = anchor_points(base, likeness, config, self.draws, self.dtype)
        self.anchors = Anchors(points, owners, config.anchor_spread, config.anchor_noise)
        self.selection = self._selection(base, held)
        self.modules = {
            "adapter": adapter, "average": self.average.module,
            "discriminator": discriminator, "heads": self.judge.heads, **self.selection.modules,
        }  # fmt: skip
        self._file_phases()

    def _selection(self, base: Generator, held: Images) -> Selection:
        average = self.average.module
        if not len(held):
            return Last(average)
        kept = batch_of(held, range(len(held)), self.device)
        return Best(average, adapt(base, average), kept, self.likeness, self.total)

    def _file_phases(self) -> None:
        config = self.config
        g, d = list(self.adapter.parameters()), self.judge.parameters
        g_adam = lazy_adam(
            rated(self.adapter, config), config.path_every if config.path_weight else 0, config.gradients
        )
        d_adam = lazy_adam([Rated(d, config.d_lr)], config.r1_every if config.r1_gamma else 0, config.gradients)
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
        self._take_average()
        self.selection.look(self.done)
        self._set_rates()

    @property
    def learned(self) -> Adapter:
        """What is to be stored."""
        return self.selection.chosen

    def scalars(self) -> dict[str, Tensor]:
        """Beside the others, the best snapshot's score."""
        return {**super().scalars(), "score": self.selection.score}

    def take_up(self, scalars: Mapping[str, Tensor]) -> None:
        """Back from `scalars`."""
        super().take_up(scalars)
        self.selection.score = scalars["score"]

    def _take_average(self) -> None:
        nth = self.done - self.total + round(self.config.average_last * self.total)
        if nth > 0:
            self.average.include(self.adapter, nth)
        else:
            self.average.follow(self.adapter, 1, self.done)

    def _set_rates(self) -> None:
        falling = self.config.decay * self.total  # steps
        share = min(1.0, (self.total - self.done) / falling) if falling else 1.0
        for optimizer in self.optimizers.values():
            set_rate(optimizer, share)

    def _score(self, images: Tensor, step: int, sets: int = 1) -> Tensor:
        """Logits of whole pictures in anchored steps, of patches in all others; computed in the pictures' type."""
        return self.judge.whole(images, sets) if self.config.is_anchored(step) else self.judge.patches(images)

    def _verdicts(self, images: Tensor, step: int, sets: int = 1) -> list[tuple[float, Tensor]]:
        """What the step asks of the discriminator, with its weight: one score, or in steps on patches both.

        sets: so many, one after another, each judged by itself.
        """
        images, weight = images.to(self.dtype), self.config.whole_weight
        if self.config.is_anchored(step) or not weight:
            return [(1.0, self._score(images, step, sets))]
        whole, patches = self.judge.both(images, sets)
        return [(1.0, patches), (weight, whole)]

    def _draw(self, step: int) -> tuple[Tensor, Near | None]:
        """Pictures near the anchors, and where these are, in anchored steps; from anywhere otherwise."""
        count, network = self.config.batch, self.generator.config
        near = None
        if self.config.is_anchored(step):
            near = self.anchors.near(count, self.draws)
            ws = self.generator.spread(self.generator.mapping(near.z))
        else:
            z = self.draws.normal(count, network.w_dim)
            ws = batches.mixed(self.generator, z, self.config.mixing, self.draws)
        image: Tensor = self.generator.synthesis(ws, self.draws.noises(network, count), dtype=self.dtype)
        return image, near

    def _next_reals(self) -> Tensor:
        reals = batch_of(self.shots, list(islice(self._indices, self.config.batch)), self.device)
        return mirrored(reals, self.draws.rng) if self.config.mirror else reals

    def _d_loss(self, step: int) -> Iterator[Tensor]:
        self.judge.choose_head()
        self._reals = self._next_reals()
        with torch.no_grad():
            fakes, _ = self._draw(step)
        verdicts = self._verdicts(torch.cat([self._reals, fakes]), step, sets=2)  # one pass costs less than two
        yield torch.stack([weight * losses.logistic_d(*logits.chunk(2)) for weight, logits in verdicts]).sum()

    def _r1_loss(self, step: int) -> Iterator[Tensor]:
        penalty = losses.r1(lambda images: self._score(images, step), self._reals)
        pixels = (self.generator.config.resolution / R1_RESOLUTION) ** 2 if self.config.r1_scaled else 1.0
        yield penalty * (self.config.r1_gamma * pixels / 2 * self.config.r1_every)

    def _g_loss(self, step: int) -> Iterator[Tensor]:
        fakes, near = self._draw(step)
        verdicts = self._verdicts(fakes, step)
        loss = torch.stack([weight * losses.nonsaturating_g(logits) for weight, logits in verdicts]).sum()
        if near is not None and self.config.anchor_weight:
            loss = loss + self.config.anchor_weight * self._anchor_loss(fakes, near)
        yield loss
        if self.config.seeks(step):
            yield self.seeking.loss(self._reals)
        if self.config.correspondence_weight and step % self.config.correspondence_every == 0:
            yield self.config.correspondence_weight * self.correspondence.loss()

    def _anchor_loss(self, fakes: Tensor, near: Near) -> Tensor:
        """How far pictures are from their anchors' shots, perceptually and pixel by pixel; the closer, the heavier."""
        perceptual = self.likeness.to_shots(fakes).gather(1, near.shots[:, None])[:, 0]
        pixels = (fakes - self.targets[near.shots]).abs().mean((1, 2, 3))
        return (near.closeness**self.config.anchor_focus * (perceptual + pixels)).mean()

    def _path_loss(self, _step: int) -> Iterator[Tensor]:
        count, network = max(1, self.config.batch // 2), self.generator.config
        ws = batches.mixed(self.generator, self.draws.normal(count, network.w_dim), self.config.mixing, self.draws)
        if not ws.requires_grad:  # an adapter that leaves the mapping alone
            ws.requires_grad_()
        image = self.generator.synthesis(ws, self.draws.noises(network, count))
        path = losses.path_length(image, ws, self.path_mean, self.draws.normal(*image.shape))
        self.path_mean = path.mean
        yield path.penalty * (self.config.path_weight * self.config.path_every)


# The losses on sets of freshly drawn pictures: mode seeking, originality, coverage and energy, as a run wants them.


class Seeking:
    """Draws `seeking_batch` pictures of random latents, and compares them with each other and with the shots."""

    def __init__(
        self,
        generator: Generator,
        likeness: PerceptualDistance,
        shots: Tensor,
        config: LearnConfig,
        draws: RandomSource,
        dtype: torch.dtype,
    ) -> None:
        self.generator, self.likeness, self.config = generator, likeness, config
        self.originality = MemorizationPenalty(shots, mirror=config.mirror) if config.copy_weight else None
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
            terms.append(config.seeking_weight * mode_seeking_loss(ratios, pairs, config.seeking_epsilon))
        if self.originality:
            terms.append(config.copy_weight * self.originality.loss(images))
        if config.coverage_weight:
            terms.append(config.coverage_weight * self._coverage(seen))
        if config.energy_weight:
            terms.append(config.energy_weight * energy_distance(seen, self.likeness.shots))
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


# At which rate each of an adapter's parameters learns: by what it changes, and by what its adapter says of it.


MAPPING = ("weights.mapping/", "features.mapping/")  # how names of parameters begin that change the mapping


def rated(adapter: Adapter, config: LearnConfig) -> list[Rated]:
    """Those that change the mapping first; in either half, a group for every share of the rate."""
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in adapter.named_parameters():
        share = adapter.rates.get(name, 1.0) if config.own_rates else 1.0
        groups.setdefault((not name.startswith(MAPPING), share), []).append(parameter)
    halves = {False: config.mapping_rate, True: 1.0}
    return [Rated(groups[half, share], config.lr * halves[half] * share) for half, share in sorted(groups)]
