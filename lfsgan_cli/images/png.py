"""PNG files that say how they were made and that lfsgan made them, and image grids."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from lfsgan_cli.images.formats import PNG_SIGNATURE, TEXT_CHUNKS, png_chunks
from lfsgan_cli.io.files import open_plain

Pixels = NDArray[np.uint8]

NOTE = "lfsgan"  # the keyword of the text chunk that says how an image was made
KIND = "lfsgan-kind"  # and of the one that says what it is, if not one generated image
GRID, THUMBNAIL, PREVIEW = "grid", "thumbnail", "preview"
SAMPLE = "sample"  # what an image is that has a note and no kind
HEAD_BYTES = 4096  # of a file, in which `made_as` finds its mark: text chunks are written before the pixels


def encode(image: Pixels, text: Mapping[str, str], kind: str = "") -> bytes:
    """A PNG of `image`, uint8 [H, W, 3], with one text chunk for each item; equal arguments give equal bytes.

    kind: `GRID` and the like for what is no single generated image; such files are never read as training images.
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in {**({KIND: kind} if kind else {}), **text}.items():
        chunks.add_text(key, value)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", pnginfo=chunks)
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


def made_as(head: bytes) -> str | None:
    """What lfsgan made a file as (`SAMPLE`, `GRID`, …), by its first `HEAD_BYTES`; None for files of others."""
    if not head.startswith(PNG_SIGNATURE):
        return None
    for kind, begin, end in png_chunks(head, whole=False):  # a note may be longer than what was read of it
        if kind not in TEXT_CHUNKS:
            continue
        keyword, _, value = head[begin:end].partition(b"\x00")
        if keyword == KIND.encode():
            return value.decode("latin-1")
        if keyword == NOTE.encode():
            return SAMPLE
    return None


def grid(rows: Sequence[Sequence[Pixels]], *, gap: int = 2, background: int = 255) -> Pixels:
    """An image grid, uint8 [H, W, 3]: equally large images, `gap` pixels apart and from the edge.

    Rows may differ in length; places without an image show the `background` (0 black to 255 white).
    """
    height, width, _ = rows[0][0].shape
    columns = max(map(len, rows))
    sheet = np.full((gap + len(rows) * (height + gap), gap + columns * (width + gap), 3), background, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = gap + row * (height + gap), gap + column * (width + gap)
            sheet[top : top + height, left : left + width] = image
    return sheet
