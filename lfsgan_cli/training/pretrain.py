"""Pretraining: a StyleGAN2 from a set of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, Synthesis
from lfsgan_cli.training import latents, losses, state
from lfsgan_cli.training.average import Average
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.order import Pictures, batch_of, mirrored, shuffled
from lfsgan_cli.training.phases import Phase, Step, lazy_adam, run

AVERAGE_RAMP = 0.05  # the average's half-life is at most this share of the pictures seen


class Pretraining:
    """One run: the live networks, the average, the optimizers, and where it stands.

    All randomness comes from `rng`, whose device is where the networks are.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        average: Generator,
        pictures: Pictures,
        config: PretrainConfig,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.average = Average(average, config.average_kimg * 1000, AVERAGE_RAMP)
        self.pictures, self.config = pictures, config
        self.device = generator.w_mean.device
        self.rng = torch.Generator(self.device).manual_seed(config.seed)
        self.path_mean = torch.zeros((), device=self.device)
        self.done = 0
        g, d = list(generator.parameters()), list(discriminator.parameters())
        self.optimizers = {
            "g": lazy_adam(g, config.lr, config.path_every if config.path_weight else 0),
            "d": lazy_adam(d, config.lr, config.r1_every if config.r1_gamma else 0),
        }
        self.phases = [
            Phase("d", 1, d, self.optimizers["d"], self._discriminator_loss),
            Phase("r1", config.r1_every, d, self.optimizers["d"], self._r1_loss),
            Phase("g", 1, g, self.optimizers["g"], self._generator_loss),
            Phase("path", config.path_every, g, self.optimizers["g"], self._path_loss),
        ]
        absent = {"r1"} if not config.r1_gamma else set()
        absent |= {"path"} if not config.path_weight else set()
        self.phases = [phase for phase in self.phases if phase.name not in absent]

    def steps(self) -> Iterator[Step]:
        """Train until the configured number of pictures was shown."""
        batch = self.config.batch
        self._indices = shuffled(len(self.pictures), self.config.seed, self.done * batch)
        for step in run(self.phases, self.done, self.config.steps):
            self.done = step.done
            self.average.follow(self.generator, batch, self.done * batch)
            yield step

    def pack(self) -> state.Tensors:
        """The whole state as tensors."""
        scalars = {"path_mean": self.path_mean, "done": torch.tensor(self.done)}
        return state.pack(self._modules(), self.optimizers, self.rng, scalars)

    def unpack(self, tensors: state.Tensors) -> None:
        """Go on from a packed state."""
        scalars = state.unpack(tensors, self._modules(), self.optimizers, self.rng)
        self.path_mean = scalars["path_mean"].to(self.device)
        self.done = int(scalars["done"])

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"live": self.generator, "average": self.average.module, "discriminator": self.discriminator}

    def _draw(self, count: int) -> tuple[Tensor, Tensor]:
        z = latents.normal(count, self.generator.config.w_dim, self.rng)
        ws = latents.mixed(self.generator, z, self.config.mixing, self.rng)
        synthesis = self.generator.synthesis
        assert isinstance(synthesis, Synthesis)  # noqa: S101 - a base is never an adapted view
        image: Tensor = synthesis(ws, latents.noises(synthesis, count, self.rng))
        return image, ws

    def _discriminator_loss(self, _step: int) -> Tensor:
        self._reals = batch_of(self.pictures, list(islice(self._indices, self.config.batch)), self.device)
        if self.config.mirror:
            self._reals = mirrored(self._reals, self.rng)
        with torch.no_grad():
            fakes, _ = self._draw(self.config.batch)
        return losses.logistic_d(self.discriminator(self._reals), self.discriminator(fakes))

    def _r1_loss(self, _step: int) -> Tensor:
        penalty = losses.r1(self.discriminator, self._reals)
        return penalty * (self.config.r1_gamma / 2 * self.config.r1_every)

    def _generator_loss(self, _step: int) -> Tensor:
        fakes, _ = self._draw(self.config.batch)
        return losses.nonsaturating_g(self.discriminator(fakes))

    def _path_loss(self, _step: int) -> Tensor:
        image, ws = self._draw(max(1, self.config.batch // 2))
        noise = torch.randn(image.shape, generator=self.rng, device=self.device)
        path = losses.path_length(image, ws, self.path_mean, noise)
        self.path_mean = path.mean
        return path.penalty * (self.config.path_weight * self.config.path_every)
