"""Which picture files are taken, and what their first and last bytes say about being whole."""

from __future__ import annotations

from pathlib import PurePosixPath

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

# Pillow's names. Everything else that it could open (PSD, EPS, …) is shut out: fewer parsers for strangers' bytes.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"


def is_picture(name: str) -> bool:
    """Whether a name, with `/` between folders, is a picture's: neither hidden nor leading out of where it is."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "/")) or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def begins_well(data: bytes) -> bool:
    """Whether the first bytes are those of one of the formats taken."""
    return data.startswith(_BEGINNINGS)


def ends_well(data: bytes, name: str) -> bool:
    """Whether the bytes of a picture in format `name` (as Pillow calls it) prove that none is missing at the end.

    False means "not proven": formats without such a mark, and pictures followed by something else, need decoding.
    """
    match name:
        case "PNG":
            return True  # Pillow's `verify` walks its chunks and their checksums to the last
        case "JPEG" | "MPO":
            # Neither marker can occur within compressed data, where 0xff is always followed by 0x00 or a restart.
            return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
        case "WEBP":
            return not riff_is_short(data)
        case _:
            return False


def bytes_a_pixel(name: str, *, progressive: bool) -> int:
    """The most memory that decoding takes, in bytes for each pixel, of a picture in format `name` (as Pillow's).

    Measured on pictures of one colour, the working copies of ours included; progressive: of a JPEG.
    """
    match name:
        case "WEBP":
            return 20
        case "TIFF":
            return 14
        case "JPEG" | "MPO" if progressive:
            return 13
        case _:
            return 9


def riff_is_short(data: bytes) -> bool:
    """Whether a RIFF container (WebP) is shorter than its own header says: 8 bytes and the length at offset 4."""
    return data.startswith(b"RIFF") and len(data) < 8 + int.from_bytes(data[4:8], "little")
