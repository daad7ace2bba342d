"""Decodes an image file to 8-bit RGB in sRGB, upright and on white, and fits it into a square."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from lfsgan_cli.errors import one_line
from lfsgan_cli.images.formats import (
    BITS,
    FORMATS,
    ORIENTATION,
    PNG_SIGNATURE,
    TAKEN,
    BadImageError,
    bytes_per_pixel,
    check_png_rows,
    format_of,
    is_planar,
    is_short_riff,
    jpeg_end,
    tiff_kind,
    tiff_tags,
    without_metadata,
    without_text,
)
from lfsgan_cli.images.framing import DEFAULT_FRAMING, Framing

# What decoding one image may take, in bytes; a file of a few kB can claim any number of pixels.
MOST_BYTES = 480_000_000
LONGEST = 200  # characters of what Pillow says
_BAND = 1 << 18  # pixels that are converted at a time

# EXIF 2.3, table 6: how to turn an image upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip

# For the whole process, since `warnings.catch_warnings` is not safe with threads. What Pillow only warns about is
# either a danger (twice the pixels it holds to be safe) or unimportant (metadata that it cannot read).
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Decoded:
    """An image in mode RGB, upright.

    flattened: some of it was transparent and is now blended with white. bad_profile: its color profile could not be
    used, so that its numbers were taken for sRGB.
    """

    image: Image.Image
    flattened: bool = False
    bad_profile: bool = False


def decode(data: bytes) -> Decoded:
    """The image in a file's bytes: its first frame, all of it.

    Turned as the orientation tag of EXIF says (nothing else of EXIF is read), converted to sRGB from the color profile
    that is embedded, 16-bit greys scaled to 8 bits.

    Raises:
        BadImageError: not an image, cut off, damaged, empty, of a kind that is not supported, or so large that it may
            be an attack.
    """
    decoded, orientation = _decoded(data)  # by now the file's own pixels are freed: each copy takes 4 bytes a pixel
    if orientation not in _UPRIGHT:
        return decoded
    return Decoded(decoded.image.transpose(_UPRIGHT[orientation]), decoded.flattened, decoded.bad_profile)


def fit(image: Image.Image, resolution: int, framing: Framing = DEFAULT_FRAMING) -> Image.Image:
    """An image as a square of `resolution` pixels a side, resized (Lanczos) where it does not have that size yet."""
    if framing.fit == "pad" and image.width != image.height:
        longest = max(image.size)
        width, height = (max(1, round(side * resolution / longest)) for side in image.size)
        padded = Image.new("RGB", (resolution, resolution), "white")
        padded.paste(_resized(image, width, height), ((resolution - width) // 2, (resolution - height) // 2))
        return padded
    if framing.fit == "crop" and image.width != image.height:
        image = image.crop(framing.box(*image.size))
    return _resized(image, resolution, resolution)


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def _decoded(data: bytes) -> tuple[Decoded, int]:
    """The image as it lies in the file, and its orientation."""
    if data.startswith(PNG_SIGNATURE):
        data = without_text(data)
    elif format_of(data[:32]) == "TIFF":
        tags = tiff_tags(data)
        if is_planar(tags) and max(tags.get(BITS, (1,))) > 8:
            raise BadImageError(_unsupported(data))  # Pillow reads these as if channels were interleaved
        data = without_metadata(data)
    with _opened(data) as image:
        image.load()
        if image.format == "PNG":
            check_png_rows(data)
        if image.format == "JPEG" and _is_cut_off(data, image):
            raise BadImageError("cut off (rows are missing)")
        return _converted(image), 1 if image.format == "TIFF" else _orientation(image)  # Pillow turns a TIFF itself


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The image, its pixels not read yet; whatever Pillow raises in the block becomes a `BadImageError`."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _refuse_size(image)
        yield image
    except BadImageError:
        raise
    except Exception as error:  # on damaged bytes Pillow's parsers raise nearly anything
        raise BadImageError(_reason(error, data)) from error


def _refuse_size(image: Image.Image) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise BadImageError(f"no pixels in it ({width} wide, {height} high)")
    most = MOST_BYTES // bytes_per_pixel(image.format or "", progressive=bool(image.info.get("progressive")))
    most = min(most, Image.MAX_IMAGE_PIXELS or most)
    if width * height > most:
        raise BadImageError(_too_large(most))


def _too_large(most: int | None) -> str:
    return f"more than the {most:,} pixels that are safe to open; make it smaller"


def _unsupported(data: bytes) -> str:
    return f"this kind of TIFF ({tiff_kind(data)}) is not supported; save it as 8-bit RGB"


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "an empty file"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return _too_large(Image.MAX_IMAGE_PIXELS)
    if "truncated" in str(error).lower() or is_short_riff(data):
        return "cut off"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    return f"damaged ({one_line(str(error) or type(error).__name__)[:LONGEST]})"


def _unidentified(data: bytes) -> str:
    match format_of(data[:32]):
        case None:
            return f"not {TAKEN}"
        case "HEIF":
            return "a HEIF image, which is not supported; save it as PNG or JPEG"
        case "TIFF" if tiff_kind(data):
            return _unsupported(data)
        case _:
            return "cut off or damaged near its beginning"


# Coded rows of nothing in particular, with all markers that a restart interval may begin with.
_MORE_ROWS = bytes(range(255)) + b"".join(bytes((0xFF, 0xD0 + index % 8, *range(1, 255))) for index in range(16))
_MOST_LOOKED_AT = 4_000_000  # pixels; larger images are compared at half their side or less
_FLAT = 6  # levels: a block that was never decoded has one color


def _is_cut_off(data: bytes, image: Image.Image) -> bool:
    """Whether a JPEG's coded rows end too early, which libjpeg fills with grey without a word.

    A whole image ignores bytes between its rows and the end marker; one that lacks rows takes them for its own. The
    last block tells most whole images without a second look: what is filled has one color. Of a progressive image, it
    may not.
    """
    left, top = (side - 1 - (side - 1) % 8 for side in image.size)
    last = np.asarray(image.crop((left, top, *image.size)).convert("L"), dtype=np.int64)[-4:, -4:]
    if np.ptp(last) > _FLAT and not image.info.get("progressive"):
        return False
    end = jpeg_end(data)
    return end is not None and _seen(data) != _seen(data[:end] + _MORE_ROWS + data[end:])


def _seen(data: bytes) -> bytes:
    """The pixels of a JPEG, for large images at a fraction of their size."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        if image.width * image.height > _MOST_LOOKED_AT:
            image.draft(None, (image.width // 2, image.height // 2))
        return image.tobytes()


def _orientation(image: Image.Image) -> int:
    """By the one tag of EXIF that is read; whatever else is in there, or wrong with it, does not matter."""
    block = image.info.get("exif")
    if block is None and "Raw profile type exif" in image.info:  # a name, a length, then hexadecimal lines
        try:
            block = bytes.fromhex("".join(str(image.info["Raw profile type exif"]).split("\n")[3:]))
        except ValueError:
            block = None
    tags = tiff_tags(block.removeprefix(b"Exif\x00\x00")) if isinstance(block, bytes) else {}
    return tags.get(ORIENTATION, (1,))[0]


def _converted(image: Image.Image) -> Decoded:
    """8-bit RGB in sRGB on white, in bands of a few rows: conversions take several times the memory of their input."""
    profile = image.info.get("icc_profile")
    to_srgb = _to_srgb(profile, _color_mode(image)) if isinstance(profile, bytes) and profile else _Profile(None)
    if image.mode == "RGB" and not image.has_transparency_data and to_srgb.transform is None:
        return Decoded(image, bad_profile=to_srgb.bad)
    width, height = image.size
    rows = max(1, _BAND // width)
    whole, flattened = Image.new("RGB", image.size), False
    for top in range(0, height, rows):
        band = _with_8_bits(image.crop((0, top, width, min(top + rows, height))))
        alpha = band.convert("RGBA").getchannel("A") if band.has_transparency_data else None
        color = _in_srgb(band, to_srgb)
        if alpha is not None and np.asarray(alpha).min() < 255:
            flattened = True
            color.putalpha(alpha)
            color = Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
        whole.paste(color, (0, top))
    return Decoded(whole, flattened, to_srgb.bad)


def _with_8_bits(image: Image.Image) -> Image.Image:
    """Greys from 0 to 65535 at the nearest of 256 levels; Pillow's own conversion would clip them at 255."""
    if image.mode == "F":
        raise BadImageError("pixels are fractions (32-bit float) with no agreed white; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise BadImageError("greys of 32 bits with no agreed white; save it with 8 or 16 bits")
    grey = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    transparent_level = image.info.get("transparency")
    if transparent_level is not None:
        grey.putalpha(Image.fromarray(np.where(levels == transparent_level, 0, 255).astype(np.uint8)))
    return grey


# Color profiles (ICC.1): an image's numbers mean what its profile says.


@dataclass(frozen=True)
class _Profile:
    """How to get to sRGB. transform: None where the numbers mean sRGB already, or as good as. mode: what it takes."""

    transform: Any
    mode: str = "RGB"
    bad: bool = False


def _color_mode(image: Image.Image) -> str:
    match image.mode:
        case "CMYK" | "LAB":
            return image.mode
        case "1" | "L" | "LA" | "La" | "I" | "F":
            return "L"
        case _:
            return "L" if image.mode.startswith("I;16") else "RGB"


@lru_cache(maxsize=16)  # images of one camera or program share their profile
def _to_srgb(profile: bytes, mode: str) -> _Profile:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            mode = "RGB"
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        transform: Any = ImageCms.buildTransform(source, srgb, mode, "RGB")
        if mode in {"RGB", "L"}:
            seen = np.asarray(ImageCms.applyTransform(_samples(mode), transform), np.int64)
            # Most profiles say sRGB in other words: to convert these would only add rounding.
            if np.abs(seen - np.asarray(_samples(mode).convert("RGB"), np.int64)).max() <= 1:
                transform = None
    except Exception:  # noqa: BLE001 - of untrusted bytes; whatever is wrong, the profile cannot be used
        return _Profile(None, bad=True)
    return _Profile(transform, mode)


def _samples(mode: str) -> Image.Image:
    """Every level of grey, or 9×9×9 colors."""
    levels = np.arange(256, dtype=np.uint8)[None]
    if mode == "L":
        return Image.fromarray(levels)
    nine = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(nine, nine, nine), -1).reshape(9, -1, 3))


def _in_srgb(band: Image.Image, to_srgb: _Profile) -> Image.Image:
    """Without its alpha channel, in mode RGB."""
    if to_srgb.transform is None:
        return band.convert("RGBA").convert("RGB") if band.has_transparency_data else band.convert("RGB")
    plain = band.convert("RGBA") if band.has_transparency_data and band.mode != "LA" else band
    converted = ImageCms.applyTransform(plain.convert(to_srgb.mode), to_srgb.transform)
    assert converted is not None  # noqa: S101 - that would be `inPlace=True`
    return converted
