"""The pictures on disk that the report shows, made small enough to be carried in one page."""

import io
from collections.abc import Sequence
from pathlib import Path

from lfsgan_cli.plainfile import read_plain
from lfsgan_cli.report.model import Gallery, Gap, Picture, Sheet

THUMBNAIL = 256  # pixels; small pictures stay as they are
SHEET = 1024
MOST_BYTES, MOST_PIXELS = 1 << 26, 50_000_000  # of a file
_PNG = b"\x89PNG\r\n\x1a\n"
MOST = 24  # pictures shown of a task's shots


def thumbnail(data: bytes, side: int = THUMBNAIL) -> bytes:
    """The same PNG where it is at most `side` pixels wide and high; otherwise one reduced to that."""
    if max(Picture(data, "").size) <= side:
        return data
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        image.save(file, "PNG")
    return file.getvalue()


def shots(name: str, paths: Sequence[Path]) -> Gallery:
    """The pictures that a task learned from."""
    read = ((index, _still(path, THUMBNAIL)) for index, path in enumerate(paths[:MOST], start=1))
    pictures = tuple(Picture(data, f"{name}, shot {index}") for index, data in read if data is not None)
    more = f"The first {MOST} of {len(paths):,} are shown." if len(paths) > MOST else ""
    return Gallery(f"Learned from {len(paths):,} pictures", pictures, more)


def sheet(title: str, path: Path, alt: str, note: str = "") -> Sheet | Gap:
    """A contact sheet on disk."""
    data = _still(path, SHEET)
    if data is None:
        return Gap(title, f"{path.name!r} is no PNG that can be read.")
    return Sheet(title, Picture(data, alt), note)


def within(folder: Path, pattern: str) -> list[Path]:
    """The files that match in a folder, sorted; none that a link leads to from outside of it."""
    root = folder.resolve()
    return sorted(path for path in folder.glob(pattern) if path.is_file() and path.resolve().is_relative_to(root))


def _still(path: Path, side: int) -> bytes | None:
    """A PNG on disk, no larger than `side`; None for what is none."""
    try:
        data = read_plain(path, MOST_BYTES)
        width, height = Picture(data, "").size
        return thumbnail(data, side) if data.startswith(_PNG) and 0 < width * height <= MOST_PIXELS else None
    except Exception:  # noqa: BLE001 - on damaged bytes Pillow's parsers raise nearly anything
        return None
