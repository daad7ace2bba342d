"""Pictures for training: large sets read one at a time, few shots read at once, both checked before work starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lfsgan_cli.images.decode import Decoded, decode, fit, verify
from lfsgan_cli.images.formats import BadImage, BadPictureError, BadPicturesError, TooFewPicturesError
from lfsgan_cli.images.source import Source, open_source

Pixels = NDArray[np.uint8]
T = TypeVar("T")


class ImageDataset:
    """The pictures of a source at one resolution, each uint8 [H, W, 3] and decoded when it is asked for."""

    def __init__(self, source: Source, resolution: int) -> None:
        self.source = source
        self.resolution = resolution

    def __len__(self) -> int:
        return len(self.source.names)

    def __getitem__(self, index: int) -> Pixels:
        """One picture, uint8 [resolution, resolution, 3]; safe to call from several threads.

        Raises:
            BadPicturesError: it cannot be decoded; the message names the file.
        """
        name = self.source.names[index]
        try:
            return _pixels(decode(self.source.read(index)), self.resolution)
        except BadPictureError as error:
            raise BadPicturesError(self.source.path, [BadImage(name, error.reason)]) from error


@dataclass(frozen=True)
class Checked:
    """A source whose pictures can all be used: how many, and how many of them have transparency (laid on white)."""

    pictures: int
    transparent: int


def check(source: Source) -> Checked:
    """Look at every file of a large set, cheaply (see `decode.verify`), so that no work starts on a broken one.

    Raises:
        BadPicturesError: names every file that cannot be used.
    """
    return conclude(source, examine(source))


def examine(source: Source) -> Iterator[bool | BadImage]:
    """`check`, file by file, for a caller who shows progress: whether each is transparent, or why it cannot be used."""
    return _each(source, verify)


def conclude(source: Source, findings: Iterable[bool | BadImage]) -> Checked:
    """Sum up what `examine` found; raises `BadPicturesError` when any file cannot be used."""
    transparent = _all_good(source, findings)
    return Checked(pictures=len(transparent), transparent=sum(transparent))


@dataclass(frozen=True)
class LoadedImages:
    """The few pictures that a task is learned from.

    pictures: uint8 [N, resolution, resolution, 3], in the order of their names.
    names: relative to the folder or zip file.
    flattened: how many were transparent somewhere, and lie on white now.
    identity: SHA-256 (hex) over number, size and pixels, in order; neither names nor file formats count.
    """

    pictures: Pixels
    names: tuple[str, ...]
    flattened: int
    identity: str


def load_images(path: Path, resolution: int) -> LoadedImages:
    """Decode every picture of a folder or zip file.

    Raises:
        LfsganError: as `open_source`.
        TooFewPicturesError: there is just one.
        BadPicturesError: names every file that cannot be decoded.
    """
    source = open_source(path)
    if len(source.names) == 1:
        raise TooFewPicturesError(path, source.names[0])
    shots = _all_good(source, _each(source, lambda data: _shot(data, resolution)))
    pictures = np.stack([pixels for pixels, _ in shots])
    flattened = sum(flattened for _, flattened in shots)
    return LoadedImages(pictures, source.names, flattened, identity(pictures))


def identity(pictures: Pixels) -> str:
    """SHA-256 (hex) over the shape and the bytes of pictures, uint8 [N, H, W, 3]."""
    shape = "x".join(map(str, pictures.shape))
    return hashlib.sha256(f"{shape}\n".encode() + pictures.tobytes()).hexdigest()


def _shot(data: bytes, resolution: int) -> tuple[Pixels, bool]:
    decoded = decode(data)
    return _pixels(decoded, resolution), decoded.flattened


def _pixels(decoded: Decoded, resolution: int) -> Pixels:
    return np.array(fit(decoded.picture, resolution), dtype=np.uint8)  # a copy: Pillow's own view cannot be written to


def _each(source: Source, look: Callable[[bytes], T]) -> Iterator[T | BadImage]:
    """What `look` makes of each picture in turn; a bad one is named, not raised, so that all of them are found."""
    for index, name in enumerate(source.names):
        try:
            yield look(source.read(index))
        except BadPictureError as error:
            yield BadImage(name, error.reason)


def _all_good(source: Source, results: Iterable[T | BadImage]) -> list[T]:
    good: list[T] = []
    bad: list[BadImage] = []
    for result in results:
        if isinstance(result, BadImage):
            bad.append(result)
        else:
            good.append(result)
    if bad:
        raise BadPicturesError(source.path, bad)
    return good
