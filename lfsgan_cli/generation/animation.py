"""Animations, written frame by frame: WebP, GIF, APNG, MP4, or a folder of PNG files.

Pillow collects the frames of a GIF or APNG before it writes them; here every frame is encoded and let go, so that the
length of a walk does not matter. GIF frames are quantized to 256 colours by FASTOCTREE.
"""

from __future__ import annotations

import importlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import Note, Pixels, check_folder, make_room, save
from lfsgan_cli.io.files import write_atomic

WEBP_QUALITY = 90
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
FORMATS = (".webp", ".gif", ".png", ".mp4")


class AnimationError(LfsganError):
    """An animation that cannot be written."""


def check_animation(path: Path, note: Note, *, overwrite: bool, dry_run: bool = False) -> None:
    """AnimationError for other formats, a missing extra, or a file that is there; a folder as `make_room`."""
    if path.suffix == "":
        check_folder(path)
        make_room({path: note}, overwrite=overwrite, dry_run=dry_run)
        return
    if path.suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise AnimationError(f"--out {str(path)!r}: expected a name that ends in {known}, or a folder for the frames")
    if path.is_dir() or (path.exists() and not overwrite):
        raise AnimationError(f"{str(path)!r} is there already: pass --overwrite to replace it, or another --out")
    check_folder(path.parent)
    if path.suffix == ".mp4":
        _av()


def write_animation(path: Path, frames: Iterator[Pixels], count: int, fps: int, note: Note) -> None:
    """Write `count` frames, uint8 [H, W, 3], in the format of the path's suffix; without one, a folder of PNG files."""
    if path.suffix == "":
        for index, frame in enumerate(frames):
            save(path / f"frame{index:04}.png", frame, {**note, "seed": None, "frame": index})
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".webp":
            write_atomic(path, _webp(frames, count, fps))
        case ".gif":
            write_atomic(path, _gif(frames, fps))
        case ".png":
            write_atomic(path, _apng(frames, count, fps))
        case _:
            write_atomic(path, _mp4(frames, fps))


class _Frames(Image.Image):
    """Frames as Pillow's WebP writer asks for them: each is made when it is sought, and only the newest is kept."""

    def __init__(self, frames: Iterator[Pixels], count: int) -> None:
        super().__init__()
        self._frames, self._at, self.n_frames = frames, -1, count
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame == self._at + 1:
            newest = Image.fromarray(next(self._frames))
            self.im, self._mode, self._size, self._at = newest.im, newest.mode, newest.size, frame

    def tell(self) -> int:
        return 0  # Pillow goes back to where it was when it is done, and that must do nothing


def _webp(frames: Iterator[Pixels], count: int, fps: int) -> bytes:
    file = io.BytesIO()
    durations = [_milliseconds(index, fps) for index in range(count)]
    _Frames(frames, count).save(file, "WEBP", save_all=True, duration=durations, loop=0, quality=WEBP_QUALITY, method=4)
    return file.getvalue()


def _milliseconds(index: int, fps: int) -> int:
    """How long a frame is shown; rounded so that the sum is exact."""
    return round(1000 * (index + 1) / fps) - round(1000 * index / fps)


def _gif(frames: Iterator[Pixels], fps: int) -> Iterator[bytes]:
    """Each frame is a GIF of its own, by Pillow, whose palette and data are taken over."""
    for index, frame in enumerate(frames):
        file = io.BytesIO()
        quantized = Image.fromarray(frame).quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        quantized.save(file, "GIF", interlace=0)
        single = file.getvalue()
        if index == 0:
            yield b"GIF89a" + single[6:10] + b"\x00\x00\x00"  # width and height; no palette for all frames
            yield b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"  # for ever
        size = single[10] & 7  # of the palette: 2 ** (size + 1) colours
        palette, at = single[13 : 13 + 3 * 2 ** (size + 1)], 13 + 3 * 2 ** (size + 1)
        while single[at] == 0x21:  # extensions
            at += 2
            while single[at]:
                at += single[at] + 1
            at += 1
        delay = round(100 * (index + 1) / fps) - round(100 * index / fps)
        yield b"\x21\xf9\x04\x00" + struct.pack("<H", delay) + b"\x00\x00"
        yield single[at : at + 9] + bytes([0x80 | size]) + palette + single[at + 10 : -1]
    yield b"\x3b"


def _apng(frames: Iterator[Pixels], count: int, fps: int) -> Iterator[bytes]:
    """https://www.w3.org/TR/png-3/#apng-frame-based-animation: each frame is a PNG whose data is taken over."""
    sequence = 0
    for index, frame in enumerate(frames):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "PNG")
        chunks = list(_chunks(file.getvalue()))
        if index == 0:
            yield PNG_SIGNATURE + _chunk(b"IHDR", chunks[0][1])
            yield _chunk(b"acTL", struct.pack(">II", count, 0))
        height, width = frame.shape[:2]
        yield _chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, 1, fps, 0, 0))
        sequence += 1
        for kind, data in chunks:
            if kind == b"IDAT" and index == 0:
                yield _chunk(b"IDAT", data)
            elif kind == b"IDAT":
                yield _chunk(b"fdAT", struct.pack(">I", sequence) + data)
                sequence += 1
    yield _chunk(b"IEND", b"")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _mp4(frames: Iterator[Pixels], fps: int) -> bytes:
    av, file = _av(), io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18"})
        stream.pix_fmt = "yuv420p"
        for index, pixels in enumerate(frames):
            even = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
            if index == 0:
                stream.height, stream.width = even.shape[:2]
            for packet in stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()


def _av() -> Any:
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise AnimationError("MP4 needs PyAV, which is not installed: pip install 'lfsgan[video]'") from error
