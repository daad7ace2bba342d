"""What can be wrong with the user's pictures, each in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lfsgan_cli.errors import LfsganError, printable


class PicturesNotFoundError(LfsganError):
    """There is nothing at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no pictures at {str(path)!r}: there is no such folder or zip file; check the path")


class NotASourceError(LfsganError):
    """The path is something else than a folder or a zip file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is neither a folder nor a zip file: put the pictures into a folder")


class BrokenZipError(LfsganError):
    """A zip file whose list of entries cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is not a whole zip file (damaged or cut off): copy it anew")


class HarmfulZipError(LfsganError):
    """A zip file that takes far more memory or time than its size: made so, or damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} is refused: {reason}; nothing was unpacked: put the pictures into a folder")


class UnreadableSourceError(LfsganError):
    """The operating system refuses to read the folder or zip file."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = error.strerror or "unknown reason"
        super().__init__(f"cannot read {str(error.filename or path)!r} ({reason}): check that you may open it")


class NoPicturesError(LfsganError):
    """A folder or zip file without a single picture."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no picture in {str(path)!r}: looked for names ending in {' '.join(SUFFIXES)} "
            "(hidden files, and links and names that lead out of it, are left out)"
        )


class TooFewPicturesError(LfsganError):
    """One picture: nothing to tell apart what the domain shares from what this picture shows."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"only one picture in {str(path)!r} ({printable(name)}): learning needs at least two, about ten are usual"
        )


class BadPictureError(LfsganError):
    """One picture that cannot be used; `reason` says why in a few words, and its owner adds the name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class BadImage:
    """A picture that cannot be used: its name in the source, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.name)}: {self.reason}"


class BadPicturesError(LfsganError):
    """Every picture of a source that cannot be used, each with its reason; `bad` lists them for programs."""

    def __init__(self, path: Path, bad: Sequence[BadImage]) -> None:
        self.bad = tuple(bad)
        count, way_out = ("a picture", "it") if len(bad) == 1 else (f"{len(bad)} pictures", "them")
        listed = "; ".join(map(str, bad))
        super().__init__(f"{count} in {str(path)!r} cannot be used: {listed} (mend {way_out} or take {way_out} out)")


# Which picture files are taken, and what their first and last bytes say about being whole.


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


# How large the file of one picture may be.


MAX_FILE_BYTES = 2**30  # no picture that Pillow may open is larger


def refuse_huge(size: int) -> None:
    """BadPictureError for a file of so many bytes that no picture has them."""
    if size > MAX_FILE_BYTES:
        raise BadPictureError(f"{size:,} bytes, more than the {MAX_FILE_BYTES:,} that any picture here may take")
