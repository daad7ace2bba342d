"""Projection: the latent whose image comes closest to a target (Karras et al., 2020, appendix D).

w, and with it the noise maps, are optimized for the perceptual and the pixel distance to the target. w is disturbed by
noise that falls to zero, so that the search is not caught by the first valley; a penalty keeps the noise maps white, so
that they hold no picture. Two searches run side by side, from the w_avg and from the nearest of 2,000 samples, and the
better one is kept half-way. Then w+ (one w for every layer) starts from w.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lfsgan_cli.generation.generate import BASE
from lfsgan_cli.generation.output import (
    ForeignFileError,
    check_folder,
    check_ours,
    labelled,
    make_room,
    save,
    to_arrays,
    to_tensor,
    wrapped,
)
from lfsgan_cli.generation.sampling import Latents, SamplingOptions, generator_of, map_seeds, synthesize
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.blend import LayerStrength
from lfsgan_cli.workspace.workspace import Workspace

Space: TypeAlias = Literal["w", "w+"]
Embed: TypeAlias = Callable[[Tensor], Tensor]  # images [N, 3, R, R] in -1..1 to [N, D]; gradients reach the images

CANDIDATES = 2000  # samples among which the nearest is a start
SPREAD_SAMPLES = 10_000  # for the mean and the deviation of w
STEPS = 600
RATE = 0.1
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # shares of the steps in which the learning rate rises and falls
W_NOISE, W_NOISE_UNTIL = 0.05, 0.75  # of w's deviation; share of the steps after which there is none
NOISE_WEIGHT = 1e3  # of the penalty on noise maps
PIXEL_WEIGHT = 10.0  # with 1, projections of the base's images stay twice as far from their targets
PLUS_FROM = 0.5  # share of the steps after which w+ is free
BATCH = 50  # candidates at once
EMBEDDING_SIZE = 64  # side at which EfficientNet compares, in pixels
# Of the distance between random samples. On the embedded base, drawings of its style stay below, photographs come to
# more than 0.5.
OUTSIDE = 0.2


@dataclass(frozen=True)
class Projection:
    """w: [1, L, w_dim]. noise: for each convolution [1, 1, side, side]. image, target: uint8 [1, 3, R, R].

    distance: perceptual, of the image to the target. between_samples: the median of that between random samples.
    history: images uint8 [1, 3, R, R] during the search.
    """

    w: Tensor
    noise: list[Tensor]
    image: Tensor
    target: Tensor
    distance: float
    between_samples: float
    history: Sequence[tuple[int, Tensor]]

    @property
    def latents(self) -> Latents:
        """What `generate` and `interpolate` take."""
        return Latents.of(self.w, self.noise)

    @property
    def outside(self) -> bool:
        """Whether the projection is farther from the target than a fifth of the distance between two samples."""
        return self.distance > OUTSIDE * self.between_samples


LATENTS = "latents.npz"


@dataclass(frozen=True)
class ProjectionJob:
    """A target and where to project it. title: of the task, the blend or the base. note: what repeats the search."""

    generator: Generator
    target: Tensor
    title: str
    note: dict[str, Any]

    def check(self, outdir: Path, *, overwrite: bool, dry_run: bool = False) -> None:
        """Make the output folder; raises before anything is written, as `GenerateJob.check`."""
        paths = [outdir / name for name in ("target.png", "projection.png", "steps.png")]
        check_folder(outdir)
        check_ours(paths)
        if (outdir / LATENTS).exists() and not paths[1].exists():  # no sign that a projection wrote it
            raise ForeignFileError([outdir / LATENTS])
        make_room({outdir: self.note}, overwrite=overwrite, dry_run=dry_run)

    def run(self, embed: Embed) -> Iterator[Projection | int]:
        """See `Projector.run`."""
        note = self.note
        return Projector(self.generator, embed, note["projection"], note["steps"], note["seed"]).run(self.target)

    def save(self, found: Projection, outdir: Path) -> None:
        """Write the target, the projection, an image grid of the search, and the latents."""
        (target,), (image,) = to_arrays(found.target), to_arrays(found.image)
        save(outdir / "target.png", target, self.note)
        save(outdir / "projection.png", image, self.note)
        images = [to_arrays(seen)[0] for _, seen in found.history]
        blocks = wrapped([*images, target], [*(f"step {step}" for step, _ in found.history), "target"])
        save(outdir / "steps.png", labelled(blocks, f"{self.title}, {self.note['projection']}"), self.note)
        found.latents.write(outdir / LATENTS)


def plan_projection(
    workspace: Workspace,
    image: Path,
    task: str | None,
    space: Space,
    steps: int,
    seed: int,
    strength: float | LayerStrength,
    device: torch.device,
) -> ProjectionJob:
    """Open everything that a projection needs. image: a file, whose centre square is used. task: None is the base.

    Raises as `open_source` and `Workspace.blend`.
    """
    base, options = workspace.base.average, SamplingOptions(1.0, "const", strength)
    generator = generator_of(workspace, task, options, device) if task else base.to(device)
    target = to_tensor(ImageDataset(open_source(image), base.config.resolution)[0])
    title = workspace.blend(task).title if task else BASE
    note = {"projection": space, "task": title, "base": workspace.base.identity, "steps": steps, "seed": seed}
    note["target_sha256"] = sha256(target.numpy().tobytes()).hexdigest()
    return ProjectionJob(generator, target, title, note)


@dataclass(frozen=True)
class Projector:
    """embed: the network of the perceptual distance, the squared Euclidean one of its embeddings."""

    generator: Generator
    embed: Embed
    space: Space = "w+"
    steps: int = STEPS
    seed: int = 0

    def run(self, target: Tensor) -> Iterator[Projection | int]:
        """Project uint8 [1, 3, R, R]; yields the number of steps done after each step, and the projection last."""
        device = self.generator.w_mean.device
        goal = _floats(target.to(device))
        with torch.no_grad():
            goal_embedding = self.embed(goal)
        w_mean, w_deviation = self._spread()
        near, between = self._nearest(goal_embedding)
        yield 0
        search = _Search(self, goal, goal_embedding, torch.stack([w_mean, near]), w_deviation)
        history = []
        for step in range(self.steps):
            if step == math.ceil(PLUS_FROM * self.steps):
                search.keep_best(plus=self.space == "w+")
            search.step(step)
            if step % max(1, self.steps // 8) == 0:
                history.append((step, search.image()))
            yield step + 1
        image = search.image()
        with torch.no_grad():
            distance = float((self.embed(_floats(image.to(device))) - goal_embedding).square().sum())
        history.append((self.steps, image))
        w, noise = search.latent()
        yield Projection(w.cpu(), [layer.cpu() for layer in noise], image, target, distance, between, history)

    def _spread(self) -> tuple[Tensor, Tensor]:
        """The mean of w, [w_dim], and the root mean square distance from it, a number, as the paper's σ_w."""
        z = torch.from_numpy(
            np.random.RandomState(self.seed).randn(SPREAD_SAMPLES, self.generator.config.w_dim)
        ).float()
        with torch.no_grad():
            w = self.generator.mapping(z.to(self.generator.w_mean.device))
        mean = w.mean(0)
        return mean, (w - mean).square().sum(1).mean().sqrt()

    @torch.no_grad()
    def _nearest(self, goal: Tensor) -> tuple[Tensor, float]:
        """The w whose image is the nearest of 2,000 samples, and the median distance between neighbours among them."""
        distances, neighbours, ws = [], [], []
        for first in range(0, CANDIDATES, BATCH):
            w = map_seeds(self.generator, range(first, min(first + BATCH, CANDIDATES))).clone()
            embeddings = torch.cat([self.embed(_floats(part)) for part in synthesize(self.generator, w, batch=BATCH)])
            distances.append((embeddings - goal).square().sum(1))
            neighbours.append((embeddings[1:] - embeddings[:-1]).square().sum(1))
            ws.append(w)
        return torch.cat(ws)[torch.cat(distances).argmin()], float(torch.cat(neighbours).median())


class _Search:
    """The state of the search: N starts with a w and noise maps each."""

    def __init__(self, projector: Projector, goal: Tensor, embedding: Tensor, ws: Tensor, deviation: Tensor) -> None:
        self.projector, self.goal, self.embedding, self.deviation = projector, goal, embedding, deviation
        self.stream = torch.Generator().manual_seed(projector.seed)
        config = projector.generator.config
        noise = [torch.randn(1, 1, side, side, generator=self.stream) for side in config.noise_sides]
        maps = [layer.to(goal).repeat(len(ws), 1, 1, 1) for layer in noise]
        self._begin(ws[:, None], maps)
        self.distances = torch.zeros(len(ws))

    def _begin(self, w: Tensor, noise: Sequence[Tensor]) -> None:
        self.w = w.detach().clone().requires_grad_()
        self.noise = [layer.detach().clone().requires_grad_() for layer in noise]
        self.adam = torch.optim.Adam([self.w, *self.noise], betas=(0.9, 0.999), lr=RATE)

    def keep_best(self, *, plus: bool) -> None:
        """Go on with the nearer start alone; with `plus`, with one w for every layer."""
        best = int(self.distances.argmin())
        w = self.w[best : best + 1]
        wide = w.repeat(1, self.projector.generator.config.latents, 1) if plus else w
        self._begin(wide, [layer[best : best + 1] for layer in self.noise])

    def step(self, step: int) -> None:
        """One step of Adam."""
        t = step / self.projector.steps
        rate = min(1.0, (1 - t) / RAMP_DOWN)
        rate = (0.5 - 0.5 * math.cos(rate * math.pi)) * min(1.0, (t + 1 / self.projector.steps) / RAMP_UP)
        self.adam.param_groups[0]["lr"] = RATE * rate
        scale = float(self.deviation) * W_NOISE * max(0.0, 1 - t / W_NOISE_UNTIL) ** 2
        jitter = torch.randn(self.w.shape, generator=self.stream).to(self.w) * scale
        images = self._synthesis(self.w + jitter)
        perceptual = (self.projector.embed(images) - self.embedding).square().sum(1)
        pixels = (images - self.goal).square().mean((1, 2, 3))
        loss = perceptual.sum() + PIXEL_WEIGHT * pixels.sum() + NOISE_WEIGHT * sum(map(_whiteness, self.noise))
        parameters = [self.w, *self.noise]
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        self.adam.step()
        self.distances = perceptual.detach().cpu()
        with torch.no_grad():  # noise maps keep mean zero and deviation one
            for layer in self.noise:
                layer.sub_(layer.mean((2, 3), keepdim=True))
                layer.mul_(layer.square().mean((2, 3), keepdim=True).clamp(min=1e-12).rsqrt())

    @torch.no_grad()
    def image(self) -> Tensor:
        """The nearer start's image, uint8 [1, 3, R, R]."""
        w, noise = self.latent()
        return next(synthesize(self.projector.generator, w, noise))

    def latent(self) -> tuple[Tensor, list[Tensor]]:
        """The nearer start's w, [1, L, w_dim], and its noise."""
        best = int(self.distances.argmin()) if len(self.w) > 1 else 0
        wide = self.w[best : best + 1].detach().expand(-1, self.projector.generator.config.latents, -1)
        return wide.clone(), [layer[best : best + 1].detach().clone() for layer in self.noise]

    def _synthesis(self, w: Tensor) -> Tensor:
        wide = w.expand(-1, self.projector.generator.config.latents, -1)
        images: Tensor = self.projector.generator.synthesis(wide, self.noise)
        return images


def _whiteness(noise: Tensor) -> Tensor:
    """How far neighbours in a noise map [N, 1, side, side] are correlated, at all sizes down to 8×8 (appendix D)."""
    total = noise.new_zeros(())
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean((1, 2, 3)).square().sum()
        if noise.shape[2] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2)


def _floats(images: Tensor) -> Tensor:
    """uint8 to -1..1."""
    return images.float() / 127.5 - 1
