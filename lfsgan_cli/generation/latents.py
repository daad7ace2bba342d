"""Latents in `.npz` files: `w` as NVIDIA's projector writes it, and the noise that was found with it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import open_plain, write_atomic
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.networks.config import NetworkConfig

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
