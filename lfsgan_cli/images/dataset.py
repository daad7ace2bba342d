"""Images for training: large sets read one at a time, few shots read at once, both checked before work starts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.decode import Decoded, decode, fit
from lfsgan_cli.images.formats import BadImageError, BadImagesError, UnusableFile
from lfsgan_cli.images.framing import DEFAULT_FRAMING, Framing
from lfsgan_cli.images.listing import Use
from lfsgan_cli.images.source import Source, open_source, open_sources
from lfsgan_cli.images.summary import Finding, ImageSummary

Pixels = NDArray[np.uint8]

THREADS = 4  # that decode at once while a set is checked; each may take `decode.MOST_BYTES`
LEAST = 2  # different images


class TooFewImagesError(LfsganError):
    """One image, or one many times: nothing to tell apart what the domain shares from what this image shows."""

    def __init__(self, path: Path, images: int) -> None:
        found = "only one image" if images == 1 else f"{images:,} images, all with the same pixels,"
        super().__init__(
            f"{found} in {str(path)!r}: learning needs at least {LEAST} different images, about ten are usual"
        )


@dataclass(frozen=True)
class WithoutFiles:
    """A source of which some files are not read any more: the next one stands in for each, so that the order stays.

    A run that began with them can resume, whether they are damaged by now or gone.
    """

    source: Source
    without: frozenset[str]

    @property
    def path(self) -> Path:
        """See `Source`."""
        return self.source.path

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, those of the missing files too."""
        return tuple(sorted({*self.source.names, *self.without}))

    @property
    def skipped(self) -> tuple[UnusableFile, ...]:
        """See `Source`."""
        return (*self.source.skipped, *(UnusableFile(name, "passed by --skip") for name in sorted(self.without)))

    @property
    def left_out(self) -> int:
        """See `Source`."""
        return self.source.left_out

    def fingerprint(self, index: int) -> str:
        """That of the file that is read; nothing for one that is not."""
        return "" if self.names[index] in self.without else self.source.fingerprint(self._place(index))

    def read(self, index: int) -> bytes:
        """See `Source`."""
        return self.source.read(self._place(index))

    def _place(self, index: int) -> int:
        following = (*self.names[index:], *self.names[:index])
        return self._places[next(name for name in following if name not in self.without)]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.source.names)}


class ImageDataset:
    """The images of a source at one resolution, each uint8 [H, W, 3] and decoded when it is asked for."""

    def __init__(self, source: Source, resolution: int, framing: Framing = DEFAULT_FRAMING) -> None:
        self.source = source
        self.resolution = resolution
        self.framing = framing

    def __len__(self) -> int:
        return len(self.source.names)

    def __getitem__(self, index: int) -> Pixels:
        """One image, uint8 [resolution, resolution, 3]; safe to call from several threads.

        Raises:
            BadImagesError: it cannot be decoded; the message names the file.
        """
        try:
            return self._pixels(decode(self.source.read(index)))
        except BadImageError as error:
            raise BadImagesError(self.source.path, [UnusableFile(self.source.names[index], error.reason)]) from error

    def examine(self, keep: Callable[[Pixels], None] | None = None) -> Iterator[Finding | UnusableFile]:
        """Decode every image as training will, in order: what is known of each, or why it cannot be used.

        keep: is given the pixels of each that can be used.
        """

        def look(index: int) -> tuple[Finding, Pixels] | UnusableFile:
            name = self.source.names[index]
            try:
                decoded = decode(self.source.read(index))
            except BadImageError as error:
                return UnusableFile(name, error.reason)
            pixels = self._pixels(decoded)
            digest = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
            return Finding(name, decoded.image.size, decoded.flattened, decoded.bad_profile, digest), pixels

        threads = min(THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(self), 4 * threads):  # a few at once: pixels that wait take memory
                for found in pool.map(look, range(first, min(first + 4 * threads, len(self)))):
                    if isinstance(found, UnusableFile):
                        yield found
                    else:
                        if keep is not None:
                            keep(found[1])
                        yield found[0]

    def conclude(self, findings: Iterable[Finding | UnusableFile], *, least: int = 1) -> ImageSummary:
        """Sum up what `examine` found. least: so many different images are needed.

        Raises:
            BadImagesError: names every file that cannot be used.
            TooFewImagesError: fewer than `least` have different pixels.
        """
        good: list[Finding] = []
        bad: list[UnusableFile] = []
        for found in findings:
            if isinstance(found, UnusableFile):
                bad.append(found)
            else:
                good.append(found)
        if bad:
            raise BadImagesError(self.source.path, bad)
        summary = ImageSummary(self.source, good, self.resolution, self.framing)
        if summary.different < least:
            raise TooFewImagesError(self.source.path, len(good))
        return summary

    def _pixels(self, decoded: Decoded) -> Pixels:
        # A copy: Pillow's own view cannot be written to.
        return np.array(fit(decoded.image, self.resolution, self.framing), dtype=np.uint8)


def check(dataset: ImageDataset) -> ImageSummary:
    """Decode every image of a set once, so that no work starts on one that cannot be used; raises as `conclude`."""
    return dataset.conclude(dataset.examine())


@dataclass(frozen=True)
class LoadedImages:
    """The few images that a task is learned from.

    pictures: uint8 [N, resolution, resolution, 3], in the order of their names.
    names: relative to the folder or zip file.
    identity: SHA-256 (hex) over number, size and pixels, in order; neither names nor file formats count.
    summary: what is said of them.
    """

    pictures: Pixels
    names: tuple[str, ...]
    identity: str
    summary: ImageSummary


def load_images(
    paths: Path | Sequence[Path],
    resolution: int,
    framing: Framing = DEFAULT_FRAMING,
    use: Use = "reference",
) -> LoadedImages:
    """Decode every image of a folder or zip file, or of several.

    Raises:
        LfsganError: as `open_source`.
        TooFewImagesError: there is just one, or one several times.
        BadImagesError: names every file that cannot be decoded.
    """
    source = open_source(paths, use) if isinstance(paths, Path) else open_sources(paths, use)
    dataset = ImageDataset(source, resolution, framing)
    kept: list[Pixels] = []
    summary = dataset.conclude(dataset.examine(kept.append), least=LEAST)
    pictures = np.stack(kept)
    return LoadedImages(pictures, source.names, identity(pictures), summary)


def identity(pictures: Pixels) -> str:
    """SHA-256 (hex) over the shape and the bytes of images, uint8 [N, H, W, 3]."""
    shape = "x".join(map(str, pictures.shape))
    return hashlib.sha256(f"{shape}\n".encode() + pictures.tobytes()).hexdigest()
