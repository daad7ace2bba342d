"""Which files are images, what their bytes say before they are decoded, and the error for one that is of no use."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import features

from lfsgan_cli.errors import LfsganError, printable

_AVIF = "avif" in features.modules and bool(features.check("avif"))  # older releases of Pillow do not know the name

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", *([".avif"] if _AVIF else []),
)  # fmt: skip
# Pillow's names. All other formats that it could open are excluded: fewer parsers for untrusted bytes.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if _AVIF else []))
TAKEN = "a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF image" if _AVIF else "a PNG, JPEG, WebP, GIF, BMP or TIFF image"

# Images that are not read here; files with these suffixes are skipped by name.
_OTHERS = """
heic heif hif avif jxl jp2 j2k jpx jxr wdp psd psb xcf kra clip svg svgz eps ai pdf emf wmf tga dds exr hdr ico icns cur
ppm pgm pbm pnm pfm pcx xbm xpm qoi mng jng fits cr2 cr3 nef arw dng orf rw2 raf pef srw raw
"""
UNSUPPORTED = frozenset(f".{name}" for name in _OTHERS.split()) - frozenset(SUFFIXES)

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"BM": "BMP",
    b"II*\x00": "TIFF", b"MM\x00*": "TIFF", b"II+\x00": "TIFF", b"MM\x00+": "TIFF",
}  # fmt: skip
_BMP_LEAST = 26  # bytes: the headers of the smallest BMP; two letters alone are no signature

MAX_FILE_BYTES = 2**30  # no image that Pillow may open is larger

# What lfsgan writes into its own PNG files.
NOTE = "lfsgan"  # the keyword of the text chunk that says how an image was made
KIND = "lfsgan-kind"  # and of the one that says what it is, if not one generated image
GRID, THUMBNAIL, PREVIEW = "grid", "thumbnail", "preview"
SAMPLE = "sample"  # what an image is that has a note and no kind
HEAD_BYTES = 4096  # of a file, in which `made_as` finds its mark: text chunks are written before the pixels


class BadImageError(LfsganError):
    """One image that cannot be used; `reason` says why in a few words, and the caller adds the name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class UnusableFile:
    """A file that was skipped or cannot be used: its name in the source, and why."""

    name: str
    reason: str

    @property
    def shown(self) -> str:
        """The name, fit for a terminal."""
        return printable(self.name)

    def __str__(self) -> str:
        return f"{self.shown}: {self.reason}"

    def to_json(self) -> dict[str, str]:
        """As plain JSON values."""
        return {"file": self.name, "reason": self.reason}


class BadImagesError(LfsganError):
    """Every image of a source that cannot be used, each with its reason; `bad` lists them for programs.

    Raised before work starts, and during training by `ImageDataset` for a file that was damaged or removed since.
    """

    def __init__(self, path: Path, bad: Sequence[UnusableFile]) -> None:
        self.bad = tuple(bad)
        count, way_out = ("an image", "it") if len(bad) == 1 else (f"{len(bad)} images", "them")
        listed = "; ".join(map(str, bad))
        super().__init__(f"{count} in {str(path)!r} cannot be used: {listed}; repair {way_out} or remove {way_out}")


def format_of(head: bytes) -> str | None:
    """The format that the first bytes of a file (32 are enough) announce, as Pillow calls it; None for all others."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"avis": "AVIF"}.get(head[8:12], "HEIF" if head[8:10] == b"he" else None)
    found = next((name for signature, name in _SIGNATURES.items() if head.startswith(signature)), None)
    return None if found == "BMP" and len(head) < _BMP_LEAST else found


def refuse_huge(size: int) -> None:
    """BadImageError for a file of so many bytes that no image has them."""
    if size > MAX_FILE_BYTES:
        raise BadImageError(f"{size:,} bytes, more than the {MAX_FILE_BYTES:,} that an image may have here")


def bytes_per_pixel(name: str, *, progressive: bool) -> int:
    """The most memory that decoding takes, in bytes per pixel, for an image in format `name` (as Pillow calls it).

    Measured on images of one color, including our own working copies; progressive: of a JPEG.
    """
    match name:
        case "WEBP" | "AVIF":
            return 20
        case "TIFF":
            return 14
        case "JPEG" | "MPO" if progressive:
            return 13
        case _:
            return 9


def is_short_riff(data: bytes) -> bool:
    """Whether a RIFF container (WebP) is shorter than its own header says: 8 bytes and the length at offset 4."""
    return data.startswith(b"RIFF") and len(data) < 8 + int.from_bytes(data[4:8], "little")


# PNG (W3C PNG, third edition): a signature, then chunks of length, type, data and checksum.

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
_EXIF_AS_TEXT = b"Raw profile type exif\x00"  # ImageMagick's way to store EXIF in a PNG
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
# Adam7: first column, first row, and the steps between columns and rows of each pass.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_chunks(data: bytes, *, whole: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the data of each chunk; stops at the first that is cut off, or with it if not `whole`."""
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if whole and place + 12 + length > len(data):
            return
        yield kind, place + 8, place + 8 + length
        place += 12 + length


def without_text(data: bytes) -> bytes:
    """A PNG without its text chunks: Pillow calls an image damaged that has long ones."""
    pieces, kept = [], 0
    for kind, begin, end in png_chunks(data):
        if kind in TEXT_CHUNKS and not data.startswith(_EXIF_AS_TEXT, begin):
            pieces.append(data[kept : begin - 8])
            kept = end + 4
    return b"".join([*pieces, data[kept:]]) if pieces else data


def check_png_rows(data: bytes) -> None:
    """BadImageError where the compressed rows of a PNG are damaged or too few, which Pillow shows as black."""
    chunks = list(png_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or chunks[0][2] - chunks[0][1] != 13:
        raise BadImageError("damaged (its header chunk is missing)")
    width, height, depth, color, _, _, interlaced = struct.unpack_from(">2I5B", data, chunks[0][1])
    if color not in _CHANNELS:
        raise BadImageError(f"damaged (color type {color})")
    left = sum(
        rows * (1 + -(-columns * depth * _CHANNELS[color] // 8))
        for columns, rows in _pass_sizes(width, height, interlaced=bool(interlaced))
        if columns
    )
    stream = zlib.decompressobj()
    for kind, begin, end in chunks:
        if kind != b"IDAT":
            continue
        if zlib.crc32(memoryview(data)[begin - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise BadImageError("damaged (a checksum of its pixels is wrong)")
        piece: bytes = data[begin:end]
        while left > 0 and piece and not stream.eof:
            left -= len(stream.decompress(piece, 1 << 20))
            piece = stream.unconsumed_tail
    if left > 0:
        raise BadImageError("cut off (rows are missing)")


def _pass_sizes(width: int, height: int, *, interlaced: bool) -> Iterator[tuple[int, int]]:
    if not interlaced:
        yield width, height
        return
    for column, row, across, down in _PASSES:
        yield max(0, -(-(width - column) // across)), max(0, -(-(height - row) // down))


# JPEG (ITU T.81, B.1): segments with a length, then coded rows, in which the byte FF stands only before 00 or a marker.

_SCAN_ENDS = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # a marker, but not one of those between restart intervals
_END, _SCAN = 0xD9, 0xDA


def jpeg_end(data: bytes) -> int | None:
    """Where the end marker of a JPEG's first image stands; None where it has none, or is no JPEG."""
    at = 2
    while at + 2 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == _END:
            return at
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if kind == _SCAN:
            found = _SCAN_ENDS.search(data, at)
            if found is None:
                return None
            at = found.start()
    return None


# TIFF 6.0, and EXIF, which is a TIFF without an image: a header, then a list of tags.

ORIENTATION, BITS, COMPRESSION, CHANNELS, PLANAR, SAMPLE_FORMAT = 0x0112, 0x0102, 0x0103, 0x0115, 0x011C, 0x0153
_WHOLE = {1: "B", 3: "H", 4: "I"}  # types of tags that hold natural numbers
_MOST_VALUES = 16  # of one tag that are read
# Descriptions, names, dates, resolutions, XMP, IPTC, Photoshop's own, and the lists of EXIF, GPS and interoperability.
_METADATA = frozenset({
    269, 270, 271, 272, 282, 283, 285, 296, 305, 306, 315, 316, 700, 33432, 33723, 34377, 34665, 34853, 37724, 40965,
})  # fmt: skip


def tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """The natural numbers in the first list of tags of a TIFF or an EXIF block; all that cannot be read is ignored."""
    found: dict[int, tuple[int, ...]] = {}
    try:
        for tag, kind, values, at, order, place_code in _tiff_entries(data):
            if kind in _WHOLE and 0 < values <= _MOST_VALUES and tag not in found:
                code, begin = f"{order}{values}{_WHOLE[kind]}", at
                if struct.calcsize(code) > struct.calcsize(place_code):
                    (begin,) = struct.unpack_from(order + place_code, data, at)
                if begin + struct.calcsize(code) <= len(data):
                    found[tag] = struct.unpack_from(code, data, begin)
    except (struct.error, OverflowError):
        pass
    return found


def without_metadata(data: bytes) -> bytes:
    """A TIFF whose descriptions, dates, EXIF and the like cannot be seen: Pillow fails where one of them is odd."""
    cleaned = bytearray(data)
    try:
        for tag, _, _, at, _, place_code in _tiff_entries(data):
            if tag in _METADATA:
                kind = at - struct.calcsize(place_code) - 2
                cleaned[kind : kind + 2] = b"\x00\x00"  # a type that readers skip
    except struct.error:
        return data
    return bytes(cleaned)


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, int, str, str]]:
    """Tag, type, number of values, where they (or their place) are, and the codes of `struct` for the order and places.

    Raises struct.error where the list is cut off.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    big = data[2:4] in {b"+\x00", b"\x00+"}  # BigTIFF: eight bytes for each place and count
    count_code, place_code, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    (place,) = struct.unpack_from(order + place_code, data, 8 if big else 4)
    if place > len(data):
        return
    (count,) = struct.unpack_from(order + count_code, data, place)
    first = place + struct.calcsize(count_code)
    for index in range(min(count, (len(data) - first) // entry)):
        at = first + index * entry
        tag, kind, values = struct.unpack_from(f"{order}HH{place_code}", data, at)
        yield tag, kind, values, at + 4 + struct.calcsize(place_code), order, place_code


def tiff_kind(data: bytes) -> str:
    """What a TIFF's tags say of its pixels, in words; '' where they say nothing: it is damaged, or no TIFF."""
    tags = tiff_tags(data)
    if format_of(data[:32]) != "TIFF" or BITS not in tags:
        return ""
    channels = tags.get(CHANNELS, (1,))[0]
    words = [f"{max(tags[BITS])} bits", f"{channels} channel{'s' * (channels != 1)}"]
    words += ["fractions"] if 3 in tags.get(SAMPLE_FORMAT, ()) else []  # 3: IEEE floating point
    words += ["separate planes"] if is_planar(tags) else []
    compression = tags.get(COMPRESSION, (1,))[0]
    words += [f"compression {compression}"] if compression not in {1, 2, 3, 4, 5, 7, 8, 32773, 32946} else []
    return ", ".join(words)


def is_planar(tags: dict[int, tuple[int, ...]]) -> bool:
    """Whether a TIFF stores one channel after another."""
    return tags.get(PLANAR, (1,))[0] == 2 and tags.get(CHANNELS, (1,))[0] > 1


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
