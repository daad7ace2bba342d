"""Small images are embedded as they are, large ones are reduced."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from lfsgan_cli.generation.output import encode
from lfsgan_cli.report.images import MOST_TRAINING_IMAGES, THUMBNAIL, thumbnail, training_images
from lfsgan_cli.report.model import Picture


def png(width: int, height: int) -> bytes:
    return encode(np.full((height, width, 3), 7, np.uint8), {})


def test_a_small_image_is_the_same_file() -> None:
    assert thumbnail(png(THUMBNAIL, 3)) == png(THUMBNAIL, 3)


def test_a_large_one_keeps_its_shape() -> None:
    small = thumbnail(png(4 * THUMBNAIL, 2 * THUMBNAIL))
    assert Picture(small, "").size == (THUMBNAIL, THUMBNAIL // 2)
    assert Image.open(io.BytesIO(small)).getpixel((5, 5)) == (7, 7, 7)


def test_of_very_many_images_the_first_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index:03}.png" for index in range(MOST_TRAINING_IMAGES + 1)]
    for path in paths:
        path.write_bytes(png(2, 2))
    gallery = training_images("cats", paths)
    assert gallery.title == f"Learned from {MOST_TRAINING_IMAGES + 1} images"
    assert (len(gallery.pictures), gallery.note) == (
        MOST_TRAINING_IMAGES,
        f"The first {MOST_TRAINING_IMAGES} of {MOST_TRAINING_IMAGES + 1} are shown.",
    )
    assert training_images("cats", paths[:2]).note == ""
