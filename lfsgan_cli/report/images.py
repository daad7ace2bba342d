"""Images of a report: PNG files from disk, reduced so that one page can hold them all."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.io.files import read_plain
from lfsgan_cli.report.model import Gallery, Gap, ImageGrid, Picture

THUMBNAIL = 256  # pixels; smaller images stay as they are
GRID_SIDE = 1024
MOST_BYTES, MOST_PIXELS = 1 << 26, 50_000_000  # of a file
MOST_TRAINING_IMAGES = 24  # shown of one task
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Samples:
    """Generated images: for 'base' and each task a PNG for each seed; refused: tasks without any, and why."""

    seeds: tuple[int, ...]
    rows: Mapping[str, tuple[bytes, ...]]
    refused: Mapping[str, str]

    def pictures(self, key: str, what: str, side: int) -> tuple[Picture, ...]:
        """Those of one row, reduced to `side`; none where there are none. what: what they show, in words."""
        pairs = zip(self.seeds, self.rows.get(key, ()), strict=False)
        return tuple(Picture(thumbnail(data, side), f"{what}, seed {seed}") for seed, data in pairs)


def thumbnail(data: bytes, side: int = THUMBNAIL) -> bytes:
    """The same PNG if it is at most `side` pixels wide and high; otherwise one reduced to that."""
    if max(Picture(data, "").size) <= side:
        return data
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG")
    return file.getvalue()


def training_images(name: str, paths: Sequence[Path]) -> Gallery:
    """The images that a task learned from."""
    read = ((index, _load(path, THUMBNAIL)) for index, path in enumerate(paths[:MOST_TRAINING_IMAGES], start=1))
    pictures = tuple(Picture(data, f"{name}, training image {index}") for index, data in read if data is not None)
    shown = f"The first {MOST_TRAINING_IMAGES} of {len(paths):,} are shown."
    return Gallery(f"Learned from {len(paths):,} images", pictures, shown if len(paths) > MOST_TRAINING_IMAGES else "")


def image_grid(title: str, path: Path, alt: str, note: str = "") -> ImageGrid | Gap:
    """An image grid on disk."""
    data = _load(path, GRID_SIDE)
    if data is None:
        return Gap(title, f"{path.name!r} is not a readable PNG.")
    return ImageGrid(title, Picture(data, alt), note)


def within(folder: Path, pattern: str) -> list[Path]:
    """The files in a folder that match, sorted; none that a link takes from outside of it."""
    root = folder.resolve()
    return sorted(path for path in folder.glob(pattern) if path.is_file() and path.resolve().is_relative_to(root))


def _load(path: Path, side: int) -> bytes | None:
    """A PNG on disk, no larger than `side`; None for any other file."""
    try:
        data = read_plain(path, MOST_BYTES)
        width, height = Picture(data, "").size
        return thumbnail(data, side) if data.startswith(_PNG) and 0 < width * height <= MOST_PIXELS else None
    except Exception:  # noqa: BLE001 - on damaged bytes Pillow's parsers raise nearly anything
        return None
