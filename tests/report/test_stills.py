"""Small pictures are carried as they are, large ones are reduced."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from lfsgan_cli.images.png import encode
from lfsgan_cli.report.model import Picture
from lfsgan_cli.report.workspace import MOST_STILLS, THUMBNAIL, shots, thumbnail


def png(width: int, height: int) -> bytes:
    return encode(np.full((height, width, 3), 7, np.uint8), {})


def test_a_small_picture_is_the_same_file() -> None:
    assert thumbnail(png(THUMBNAIL, 3)) == png(THUMBNAIL, 3)


def test_a_large_one_keeps_its_shape() -> None:
    small = thumbnail(png(4 * THUMBNAIL, 2 * THUMBNAIL))
    assert Picture(small, "").size == (THUMBNAIL, THUMBNAIL // 2)
    assert Image.open(io.BytesIO(small)).getpixel((5, 5)) == (7, 7, 7)


def test_of_very_many_shots_the_first_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index:03}.png" for index in range(MOST_STILLS + 1)]
    for path in paths:
        path.write_bytes(png(2, 2))
    gallery = shots("cats", paths)
    assert gallery.title == f"Learned from {MOST_STILLS + 1} pictures"
    assert (len(gallery.pictures), gallery.note) == (
        MOST_STILLS,
        f"The first {MOST_STILLS} of {MOST_STILLS + 1} are shown.",
    )
    assert shots("cats", paths[:2]).note == ""
