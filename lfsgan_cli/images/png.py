"""PNG files that say how they were made, and contact sheets."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from lfsgan_cli.io.files import open_plain

Pixels = NDArray[np.uint8]


def encode(picture: Pixels, text: Mapping[str, str]) -> bytes:
    """A PNG of `picture`, uint8 [H, W, 3], with one text chunk for each item; equal arguments give equal bytes."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def text_of(path: Path) -> dict[str, str]:
    """A PNG's text chunks; empty for whatever cannot be read as a PNG, which then is none of ours."""
    try:
        with open_plain(path) as file, Image.open(file, formats=["PNG"]) as image:
            image.load()  # text may follow the pixels
            chunks = image.text if isinstance(image, PngImagePlugin.PngImageFile) else {}
    except Exception:  # noqa: BLE001 - on foreign or damaged bytes Pillow's parsers raise nearly anything
        return {}
    return {str(key): str(value) for key, value in chunks.items()}


def grid(rows: Sequence[Sequence[Pixels]], *, gap: int = 2, background: int = 255) -> Pixels:
    """A contact sheet, uint8 [H, W, 3]: equally large pictures, `gap` pixels apart and from the edge.

    Rows may differ in length; places without a picture show the `background` (0 black to 255 white).
    """
    height, width, _ = rows[0][0].shape
    columns = max(map(len, rows))
    sheet = np.full((gap + len(rows) * (height + gap), gap + columns * (width + gap), 3), background, np.uint8)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            sheet[top : top + height, left : left + width] = picture
    return sheet
