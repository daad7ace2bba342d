"""Turns the bytes of any picture file into 8-bit RGB, upright and on white."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lfsgan_cli.errors import one_line
from lfsgan_cli.images.formats import FORMATS, BadPictureError, begins_well, bytes_a_pixel, ends_well, riff_is_short

# What decoding one picture may take, in bytes; a picture of a few kB can claim any number of pixels.
MOST_BYTES = 480_000_000
LONGEST = 200  # characters of what Pillow says
_BAND = 1 << 18  # pixels that are converted at a time

# For the whole process, since `warnings.catch_warnings` is not safe with threads. What Pillow only warns about is
# either a danger (twice the pixels it holds to be safe) or unimportant (metadata that it cannot read).
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Decoded:
    """A picture in mode RGB; `flattened` when some of it was transparent and is now blended with white."""

    picture: Image.Image
    flattened: bool


def decode(data: bytes) -> Decoded:
    """The picture in a file's bytes: the first frame, turned as EXIF says, greys of 16 bits scaled to 8.

    Raises:
        BadPictureError: not a picture, cut off, damaged, empty, or so large that it may be an attack.
    """
    with _opened(data) as image:
        ImageOps.exif_transpose(image, in_place=True)
        plain = image.mode == "RGB" and not image.has_transparency_data
        return Decoded(image, flattened=False) if plain else _converted(image)


def verify(data: bytes) -> bool:
    """A cheaper look than `decode`: whether the picture has transparency, once it is proven to be whole.

    PNG by its checksums, JPEG and WebP by their structure; what these cannot prove is decoded.

    Raises:
        BadPictureError: as `decode` does; damage inside the compressed data of a whole JPEG or WebP goes unseen.
    """
    with _opened(data) as image:
        transparent = image.has_transparency_data
        if ends_well(data, image.format or ""):
            image.verify()
        else:
            decode(data)
        return transparent


def fit(picture: Image.Image, resolution: int) -> Image.Image:
    """The largest square in the centre, resized (Lanczos) to `resolution` pixels a side if it has not that size yet."""
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    square = picture.crop((left, top, left + side, top + side)) if picture.size != (side, side) else picture
    if side == resolution:
        return square
    return square.resize((resolution, resolution), Image.Resampling.LANCZOS)


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The picture, its pixels not read yet; whatever Pillow raises in the block becomes a `BadPictureError`."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _refuse_size(image)
        yield image
    except BadPictureError:
        raise
    except Exception as error:  # on damaged bytes Pillow's parsers raise nearly anything
        raise BadPictureError(_reason(error, data)) from error


def _refuse_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise BadPictureError(f"no pixels in it ({width} wide, {height} high)")
    most = MOST_BYTES // bytes_a_pixel(image.format or "", progressive=bool(image.info.get("progressive")))
    if width * height > min(most, Image.MAX_IMAGE_PIXELS or most):
        raise BadPictureError(_too_large(min(most, Image.MAX_IMAGE_PIXELS or most)))


def _too_large(most: int | None) -> str:
    return f"more than the {most:,} pixels that are safe to open; make it smaller"


def _reason(error: Exception, data: bytes) -> str:
    match error:
        case _ if not data:
            return "an empty file"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return _too_large(Image.MAX_IMAGE_PIXELS)
        case _ if "truncated" in str(error).lower() or riff_is_short(data):
            return "cut off"
        case UnidentifiedImageError() if begins_well(data):
            return "cut off or damaged near its beginning"
        case UnidentifiedImageError():
            return "not a PNG, JPEG, WebP, GIF, BMP or TIFF picture"
        case _:
            return f"damaged ({one_line(str(error) or type(error).__name__)[:LONGEST]})"


def _converted(image: Image.Image) -> Decoded:
    """In bands of a few rows: conversions take several times the memory of what they convert."""
    width, height = image.size
    rows = max(1, _BAND // width)
    picture, flattened = Image.new("RGB", image.size), False
    for top in range(0, height, rows):
        band = _on_white(_with_8_bits(image.crop((0, top, width, min(top + rows, height)))))
        picture.paste(band.picture, (0, top))
        flattened = flattened or band.flattened
    return Decoded(picture, flattened)


def _with_8_bits(image: Image.Image) -> Image.Image:
    match image.mode:
        case "I" | "I;16" | "I;16B" | "I;16L" | "I;16N":
            return _from_16_bits(image)
        case "F":
            raise BadPictureError("pixels are fractions (32-bit float) with no agreed white; save it with 8 or 16 bits")
        case _:
            return image


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Greys from 0 to 65535 at the nearest of 256 levels; Pillow's own conversion would clip them at 255."""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise BadPictureError("greys of 32 bits with no agreed white; save it with 8 or 16 bits")
    grey = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    transparent_level = image.info.get("transparency")
    if transparent_level is not None:
        grey.putalpha(Image.fromarray(np.where(levels == transparent_level, 0, 255).astype(np.uint8)))
    return grey


def _on_white(image: Image.Image) -> Decoded:
    if not image.has_transparency_data:
        return Decoded(image.convert("RGB"), flattened=False)
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    some_of_it = bool(np.asarray(picture.getchannel("A")).min() < 255)
    return Decoded(Image.alpha_composite(white, picture).convert("RGB"), flattened=some_of_it)
