"""From seeds and latents to images, and files of latents. A seed always gives the same image."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.apply import check_strength
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import open_plain, write_atomic
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.workspace.blend import LayerStrength
from lfsgan_cli.workspace.workspace import Workspace

NoiseMode: TypeAlias = Literal["seed", "const", "none"]

W_AVG_SAMPLES = 10_000


@dataclass(frozen=True)
class SamplingOptions:
    """What identifies an image besides its task and seed.

    truncation: 1 leaves w alone, 0 gives the mean image. strength: the share of what a task changes, for all layers or
    for single ones; 0 gives the base.
    """

    truncation: float
    noise: NoiseMode
    strength: float | LayerStrength = 1.0

    def __post_init__(self) -> None:
        """StrengthError before anything is sampled."""
        if not isinstance(self.strength, LayerStrength):
            check_strength(self.strength)

    @property
    def of_base(self) -> SamplingOptions:
        """The same for the base, where a strength has nothing to scale."""
        return replace(self, strength=1.0)

    def note(self) -> dict[str, Any]:
        """For PNG text and records; full strength is left out."""
        options = {"truncation": self.truncation, "noise": self.noise}
        if self.strength == 1:
            return options
        return {
            **options,
            "strength": str(self.strength) if isinstance(self.strength, LayerStrength) else self.strength,
        }


def latent(stream: np.random.RandomState, config: NetworkConfig) -> Tensor:
    """z, [1, w_dim]: the first numbers of a seed's stream, as in NVIDIA's tools."""
    return torch.from_numpy(stream.randn(1, config.w_dim)).float()


def noise_maps(
    mode: NoiseMode, streams: Sequence[np.random.RandomState], config: NetworkConfig, device: torch.device
) -> list[Tensor] | None:
    """The noise of every convolution, [N or 1, 1, side, side]; None for the network's constant noise.

    streams: one for each image, from which z has been taken; `seed` takes the noise from them too.
    """
    if mode == "const":
        return None
    if mode == "none":
        return [torch.zeros(1, 1, side, side, device=device) for side in config.noise_sides]
    maps = [[stream.randn(1, side, side).astype(np.float32) for side in config.noise_sides] for stream in streams]
    return [torch.from_numpy(np.stack(layer)).to(device) for layer in zip(*maps, strict=True)]


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
    """Images of the seeds in order, in batches: uint8 [up to `batch`, 3, R, R] on the CPU.

    dtype: of the feature maps; None means the dtype of the weights.
    """
    device, batch = generator.w_mean.device, min(batch, generator.config.largest_batch)
    for first in range(0, len(seeds), batch):
        streams = [np.random.RandomState(seed) for seed in seeds[first : first + batch]]
        z = torch.cat([latent(stream, generator.config) for stream in streams]).to(device)
        maps = noise_maps(noise, streams, generator.config, device)
        yield to_pixels(generator(z, truncation=truncation, noise=maps, dtype=dtype)).cpu()


@torch.inference_mode()
def map_seeds(generator: Generator, seeds: Sequence[int], truncation: float = 1.0) -> Tensor:
    """w of the seeds, [N, w_dim], on the generator's device."""
    z = torch.cat([latent(np.random.RandomState(seed), generator.config) for seed in seeds])
    return generator.w_mean.lerp(generator.mapping(z.to(generator.w_mean.device)), truncation)


@torch.inference_mode()
def synthesize(
    generator: Generator,
    ws: Tensor,
    noise: Sequence[Tensor] | None = None,
    *,
    batch: int = 16,
    dtype: torch.dtype | None = None,
) -> Iterator[Tensor]:
    """Images of latents in order, in batches, as `sample` gives them.

    ws: [N, L, w_dim] (see `Synthesis.forward`) or [N, w_dim] for one w in all layers. noise: maps for each convolution,
    [N or 1, 1, side, side].
    """
    device, batch = generator.w_mean.device, min(batch, generator.config.largest_batch)
    wide = ws if ws.dim() == 3 else generator.spread(ws)
    for first in range(0, len(wide), batch):
        part = slice(first, first + batch)
        maps = noise and [(layer[part] if len(layer) > 1 else layer).to(device) for layer in noise]
        yield to_pixels(generator.synthesis(wide[part].to(device), maps, dtype=dtype)).cpu()


def to_pixels(images: Tensor) -> Tensor:
    """[N, 3, R, R] from -1..1 to uint8 0..255, rounded as in NVIDIA's tools: x · 127.5 + 128, clipped."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


@torch.inference_mode()
def mean_w(generator: Generator) -> Tensor:
    """`w_avg`: the mean of 10,000 mapped latents of seed 0, [w_dim]. Truncation moves w towards it."""
    z = torch.from_numpy(np.random.RandomState(0).randn(W_AVG_SAMPLES, generator.config.w_dim)).float()
    w: Tensor = generator.mapping(z.to(generator.w_mean.device))
    return w.cpu().double().mean(0).to(generator.w_mean)  # MPS has no float64


def generator_of(workspace: Workspace, name: str, options: SamplingOptions, device: torch.device) -> Generator:
    """The generator of a task or blend; raises as `Workspace.generator`.

    At strength 0 it is the base itself: an overlay that changes nothing would round differently. For a blend, or a
    strength between 0 and 1, `w_avg` is computed where truncation needs it.
    """
    blend = workspace.blend(name)
    if options.strength == 0 or not any(weight for _, weight in blend.parts):
        return workspace.base.average.to(device)
    generator = workspace.generator(name, device, options.strength)
    if options.truncation != 1 and not (blend.task and options.strength == 1):
        generator.w_mean = mean_w(generator)
    return generator


MAX_BATCH_CPU, MAX_BATCH_GPU = 32, 256
CPU_CACHE = 16 << 20  # bytes of the largest feature map of a batch: more is not faster on a CPU (docs/performance.md)
MAPS = 8  # largest feature maps in memory at once: convolution, blur and noise, with a margin


def usual_batch(config: NetworkConfig, device: torch.device) -> int:
    """The batch size: as many images as fit a CPU's cache, or half of a GPU's free memory."""
    largest = config.largest_map * 4  # bytes of one image
    if device.type != "cuda":
        return max(1, min(MAX_BATCH_CPU, CPU_CACHE // largest))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(MAX_BATCH_GPU, config.largest_batch, free // 2 // (MAPS * largest)))


MAX_BYTES = 1 << 30  # of all arrays in a file


class LatentsError(LfsganError):
    """A file that holds no latents for this base."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{str(path)!r} {reason}; expected a .npz file as `lfsgan project` or NVIDIA's projector writes it"
        )


@dataclass(frozen=True)
class Latents:
    """w: float32 [N, L, w_dim], one w for each of the L inputs of the synthesis.

    noise: for each convolution [N, 1, side, side], or None where the file holds none. sha256: of the file.
    """

    w: Tensor
    noise: list[Tensor] | None
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.w)

    @classmethod
    def of(cls, w: Tensor, noise: Sequence[Tensor]) -> Latents:
        """Latents that no file holds yet, with the hash that their file will have."""
        return cls(w, list(noise), sha256(_packed(w, noise)).hexdigest())

    def some(self, part: slice) -> Latents:
        """Those in a part of the file."""
        noise = self.noise and [layer[part] if len(layer) > 1 else layer for layer in self.noise]
        return Latents(self.w[part], noise, self.sha256)

    def write(self, path: Path) -> None:
        """Write `w`, and the noise as `noise0`, `noise1`, …, in the order of the convolutions."""
        write_atomic(path, _packed(self.w, self.noise or []))


def _packed(w: Tensor, noise: Sequence[Tensor]) -> bytes:
    arrays = {"w": w.cpu().numpy(), **{f"noise{index}": layer.cpu().numpy() for index, layer in enumerate(noise)}}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # numpy would write the time of day into it
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.save(entry, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return file.getvalue()


def read_latents(path: Path, config: NetworkConfig) -> Latents:
    """The latents in a file, which must fit the base; LatentsError. No pickle is read."""
    names = [f"noise{index}" for index in range(len(config.noise_sides))]
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            known = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()}
            small = sum(known.values()) <= MAX_BYTES
            arrays = {name: _array(archive, name) for name in ["w", *names] if small and name in known}
    except OSError as error:
        raise LatentsError(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:  # numpy's and zipfile's parsers raise nearly anything on foreign bytes
        raise LatentsError(path, "is no .npz file of numbers") from error
    if "w" not in arrays:
        raise LatentsError(path, "has no array 'w'" if small else f"holds more than {MAX_BYTES >> 30} GiB")
    w = _checked(path, arrays["w"], config)
    if not all(name in arrays for name in names):
        return Latents(w, None, file_hash(path))
    noise = [torch.from_numpy(arrays[name].astype(np.float32)) for name in names]
    for layer, side in zip(noise, config.noise_sides, strict=True):
        if layer.shape not in {(1, 1, side, side), (len(w), 1, side, side)}:
            raise LatentsError(path, "holds noise of other sizes than this base has")
    return Latents(w, noise, file_hash(path))


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[np.floating]:
    with archive.open(f"{name}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        raise ValueError(name)
    return array


def _checked(path: Path, w: NDArray[np.floating], config: NetworkConfig) -> Tensor:
    shape = w.shape
    if w.ndim == 2 and shape == (config.latents, config.w_dim):
        w = w[None]  # one latent in W+
    elif w.ndim == 2 and shape[-1] == config.w_dim:
        w = np.repeat(w[:, None], config.latents, 1)
    elif w.ndim == 3 and shape[1:] == (1, config.w_dim):
        w = np.repeat(w, config.latents, 1)
    if w.ndim != 3 or w.shape[1:] != (config.latents, config.w_dim) or not len(w):
        wanted = f"[N, {config.latents}, {config.w_dim}]"
        raise LatentsError(path, f"holds 'w' of the shape {list(shape)}, and this base needs {wanted}")
    return torch.from_numpy(np.ascontiguousarray(w, dtype=np.float32))
