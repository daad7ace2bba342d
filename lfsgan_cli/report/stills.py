"""The pictures on disk that the report shows, made small enough to be carried in one page."""

import io
from collections.abc import Sequence
from pathlib import Path

from lfsgan_cli.report.model import Gallery, Picture, Sheet

THUMBNAIL = 256  # pixels; small pictures stay as they are
SHEET = 1024
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
    pictures = tuple(
        Picture(thumbnail(path.read_bytes()), f"{name}, shot {index}")
        for index, path in enumerate(paths[:MOST], start=1)
    )
    more = f"The first {MOST} of {len(paths):,} are shown." if len(paths) > MOST else ""
    return Gallery(f"Learned from {len(paths):,} pictures", pictures, more)


def sheet(title: str, path: Path, alt: str, note: str = "") -> Sheet:
    """A contact sheet on disk."""
    return Sheet(title, Picture(thumbnail(path.read_bytes(), SHEET), alt), note)
