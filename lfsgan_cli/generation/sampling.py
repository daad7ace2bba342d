"""Drawing: one seed, one picture, whatever is drawn before, after or beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli.apply import check_strength
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.workspace import Workspace

NoiseMode: TypeAlias = Literal["seed", "const", "none"]
Noises: TypeAlias = list[Tensor] | None

MEAN_SAMPLES = 10_000


def latent(stream: np.random.RandomState, config: NetworkConfig) -> Tensor:
    """The first draw of a seed's stream: z, [1, w_dim], as NVIDIA's tools draw it."""
    return torch.from_numpy(stream.randn(1, config.w_dim)).float()


def seed_noise(streams: Sequence[np.random.RandomState], config: NetworkConfig) -> Noises:
    """What each stream gives after its z: noise for every convolution, each [N, 1, side, side]."""
    drawn = [[stream.randn(1, side, side).astype(np.float32) for side in config.noise_sides] for stream in streams]
    return [torch.from_numpy(np.stack(layer)) for layer in zip(*drawn, strict=True)]


def const_noise(_streams: Sequence[np.random.RandomState], _config: NetworkConfig) -> Noises:
    """The network's own noise, the same for every picture."""
    return None


def no_noise(_streams: Sequence[np.random.RandomState], config: NetworkConfig) -> Noises:
    """Zeros."""
    return [torch.zeros(1, 1, side, side) for side in config.noise_sides]


NOISES: dict[NoiseMode, Callable[[Sequence[np.random.RandomState], NetworkConfig], Noises]] = {
    "seed": seed_noise,
    "const": const_noise,
    "none": no_noise,
}


@torch.inference_mode()
def sample(
    generator: Generator,
    seeds: Sequence[int],
    *,
    truncation: float = 1.0,
    noise: NoiseMode = "seed",
    batch: int = 16,
    dtype: torch.dtype | None = None,
) -> Iterator[Tensor]:
    """Pictures of the seeds in batches, in order: uint8 [up to `batch`, 3, R, R] on the CPU.

    dtype: of the feature maps; the weights' own when None.
    """
    device = generator.w_mean.device
    for first in range(0, len(seeds), batch):
        streams = [np.random.RandomState(seed) for seed in seeds[first : first + batch]]
        z = torch.cat([latent(stream, generator.config) for stream in streams]).to(device)
        grain = NOISES[noise](streams, generator.config)
        image = generator(z, truncation=truncation, noise=grain and [layer.to(device) for layer in grain], dtype=dtype)
        yield to_pixels(image).cpu()


def draw_mixed(
    generators: Mapping[str, Generator],
    pictures: Sequence[tuple[str, int]],
    *,
    truncation: float = 1.0,
    noise: NoiseMode = "seed",
    batch: int = 16,
    dtype: torch.dtype | None = None,
) -> Iterator[Tensor]:
    """Pictures of any generators in any order, each a name and a seed; batches as `draw` gives them, one resolution.

    Generators that share their base (`adapt`) keep it in memory once for all. Within a batch each draws what is its
    own at once: faster than one network with a weight for every picture, in all but the smallest (docs/performance.md).
    """
    for first in range(0, len(pictures), batch):
        wanted = pictures[first : first + batch]
        drawn: dict[tuple[str, int], Tensor] = {}
        for name, seeds in _by_name(wanted).items():
            own = sample(generators[name], seeds, truncation=truncation, noise=noise, batch=batch, dtype=dtype)
            drawn.update(zip(((name, seed) for seed in seeds), torch.cat(list(own)), strict=True))
        yield torch.stack([drawn[picture] for picture in wanted])


def _by_name(pictures: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """The seeds of each name, in order and each once."""
    seeds: dict[str, list[int]] = {}
    for name, seed in dict.fromkeys(pictures):
        seeds.setdefault(name, []).append(seed)
    return seeds


def to_pixels(images: Tensor) -> Tensor:
    """[N, 3, R, R] from -1..1 to uint8 0..255, as NVIDIA's tools round: x · 127.5 + 128, cut."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def mean_w(generator: Generator) -> Tensor:
    """The mean of 10,000 mapped latents, [w_dim], drawn from seed 0: what truncation pulls towards."""
    z = torch.from_numpy(np.random.RandomState(0).randn(MEAN_SAMPLES, generator.config.w_dim)).float()
    w: Tensor = generator.mapping(z.to(generator.w_mean.device))
    return w.cpu().double().mean(0).to(generator.w_mean)  # MPS has no doubles


# How pictures are drawn: truncation, noise and a task's strength, and the network that draws so.


@dataclass(frozen=True)
class SamplingOptions:
    """How pictures are drawn; part of what identifies each.

    truncation: 1 draws everything, 0 the mean picture. strength: the share of what a task changes; 0 draws the base.
    """

    truncation: float
    noise: NoiseMode
    strength: float = 1.0

    def __post_init__(self) -> None:
        """StrengthError, before anything is drawn."""
        check_strength(self.strength)

    @property
    def of_base(self) -> SamplingOptions:
        """How the base is drawn beside tasks: it has nothing that a strength could scale."""
        return replace(self, strength=1.0)

    def note(self) -> dict[str, Any]:
        """As pictures and records note it; full strength goes without saying."""
        drawn = {"truncation": self.truncation, "noise": self.noise}
        return drawn if self.strength == 1 else {**drawn, "strength": self.strength}


def generator_of(workspace: Workspace, name: str, style: SamplingOptions, device: torch.device) -> Generator:
    """What draws a task in a style; raises as `Workspace.generator`.

    At strength 0 that is the base itself: an overlay that changes nothing would round otherwise than what is prepared
    for drawing. Between the two, the mean w is nobody's yet: it is found anew, where truncation pulls to it.
    """
    if style.strength == 0:
        return workspace.base.average.to(device)
    generator = workspace.generator(name, device, style.strength)
    if style.truncation != 1 and style.strength != 1:
        generator.w_mean = mean_w(generator)
    return generator


# How many pictures are drawn at once, unless the user says.


MOST_ON_CPU, MOST_ON_GPU = 32, 256
CACHED = 16 << 20  # bytes of the largest feature map of a batch: more gains nothing on a CPU (docs/performance.md)
MAPS = 8  # largest feature maps that are in memory at once while drawing: conv, blur and noise, with room to spare


def usual_batch(config: NetworkConfig, device: torch.device) -> int:
    """As many as fit a processor's cache, or half of a GPU's free memory."""
    largest = config.largest_map * 4  # bytes, of one picture
    if device.type != "cuda":
        return max(1, min(MOST_ON_CPU, CACHED // largest))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MOST_ON_GPU, free // 2 // (MAPS * largest)))
