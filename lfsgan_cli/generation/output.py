"""What generating writes: PNG files that say how they were made, image grids, and folders without mixed settings."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.formats import GRID, KIND, NOTE
from lfsgan_cli.io.files import open_plain, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

LISTS = ("task", "seed", "file_sha256")  # entries of a note in which images of equal settings may differ

MAX_WIDTH = 2048  # pixels; at least one column is shown in any case
MAX_IMAGES = 1024  # in one grid
GAP = 2  # pixels between images
FONT_SIZE = 12  # pixels
LINE = 16  # pixels, the height of a line of text
MAX_LABEL = 60  # characters
THREADS = 4  # they mostly wait: each file is forced to the disk before it gets its name

T = TypeVar("T")

Pixels = NDArray[np.uint8]
Note = Mapping[str, Any]


class ForeignFileError(LfsganError):
    """A file of another program where an image would go."""

    def __init__(self, paths: Sequence[Path]) -> None:
        more, were, them = (f" and {len(paths) - 1} more", "were", "them") if len(paths) > 1 else ("", "was", "it")
        super().__init__(
            f"{str(paths[0])!r}{more} {were} not written by lfsgan and will not be replaced: "
            f"choose another --outdir, or move {them}"
        )


class NotAFolderError(LfsganError):
    """A file where images would go."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is a file, and images go into a folder: choose another --outdir")


class OtherSettingsError(LfsganError):
    """Images of other settings in the output folder."""

    def __init__(self, paths: Sequence[Path], difference: str) -> None:
        images = "an image" if len(paths) == 1 else f"{len(paths):,} images"
        super().__init__(
            f"{str(paths[0].parent)!r} holds {images} of other settings ({difference}): choose another --outdir, or "
            "pass --overwrite to remove them (only images that lfsgan wrote are removed)"
        )


def save(path: Path, image: Pixels, note: Note, kind: str = "") -> None:
    """Write a PNG with its note. image: uint8 [H, W, 3 or 4]. kind: as for `images.png.encode`."""
    write_atomic(path, encode(image, {NOTE: json.dumps(note, sort_keys=True)}, kind))


def written(batches: Iterable[list[T]], write: Callable[[T], None]) -> Iterator[T]:
    """Each item of each batch in order, once it is written, while the next batch is sampled.

    At most two batches wait. An error of `write` is raised when its item's turn comes; what was begun is finished.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        before: list[tuple[T, Future[None]]] = []
        for batch in batches:
            begun = [(item, pool.submit(write, item)) for item in batch]
            yield from _finished(before)
            before = begun
        yield from _finished(before)


def _finished(begun: list[tuple[T, Future[None]]]) -> Iterator[T]:
    for item, future in begun:
        future.result()
        yield item


def read_note(path: Path) -> dict[str, Any] | None:
    """The note of a PNG that lfsgan wrote; None for all other files. The pixels are not read."""
    try:
        with open_plain(path) as file, Image.open(file, formats=["PNG"]) as image:
            note = json.loads(image.info[NOTE])
    except Exception:  # noqa: BLE001 - on foreign or damaged bytes Pillow's parsers raise nearly anything
        return None
    return note if isinstance(note, dict) else None


def read_pixels(path: Path) -> Pixels:
    """An image that `save` wrote, uint8 [H, W, 3 or 4]."""
    with Image.open(path, formats=["PNG"]) as image:
        return np.asarray(image)


def check_ours(paths: Iterable[Path]) -> None:
    """ForeignFileError where a file at one of the paths was not written by lfsgan."""
    foreign = [path for path in paths if path.exists() and read_note(path) is None]
    if foreign:
        raise ForeignFileError(foreign)


def check_folder(path: Path) -> None:
    """NotAFolderError where a folder cannot be made, since a file is in its place."""
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise NotAFolderError(part)


def other_settings(planned: Mapping[Path, Note]) -> dict[Path, str]:
    """The images of other settings in folders that will be written to, each with the first difference, in words.

    planned: a folder and a note of the images that go there. Images of the same settings, and files of others, are not
    listed.
    """
    found: dict[Path, str] = {}
    for folder, note in planned.items():
        for path in sorted(folder.glob("*.png")):
            old = read_note(path)
            if old is not None and (difference := _difference(old, note)):
                found[path] = difference
    return found


def make_room(planned: Mapping[Path, Note], *, overwrite: bool, dry_run: bool = False) -> None:
    """Create the folders; images of other settings are removed with `overwrite`, OtherSettingsError without."""
    others = other_settings(planned)
    if others and not overwrite:
        first = next(iter(others))
        raise OtherSettingsError([path for path in others if path.parent == first.parent], others[first])
    if not dry_run:
        for path in others:
            path.unlink()
        for folder in planned:
            folder.mkdir(parents=True, exist_ok=True)


def _difference(old: Note, new: Note) -> str:
    """What differs first, `old here, new in this command`; empty for equal settings."""
    hashes, wanted = old.get("file_sha256"), new.get("file_sha256")
    if isinstance(hashes, dict) and isinstance(wanted, dict):
        for name in sorted(hashes.keys() & wanted.keys()):
            if hashes[name] != wanted[name]:
                return f"task {name!r} was learned anew since"
    for key in sorted((old.keys() | new.keys()) - {*LISTS}):
        if old.get(key) != new.get(key):
            return f"{key} {old.get(key, 'not set')}, this command has {new.get(key, 'not set')}"
    return ""


# Image grids: plain ones, and labelled ones that wrap instead of growing without end.


def to_arrays(images: Tensor) -> list[Pixels]:
    """uint8 [N, C, H, W] as N arrays [H, W, C]."""
    return list(images.permute(0, 2, 3, 1).contiguous().numpy())


def to_tensor(image: Pixels) -> Tensor:
    """An array [H, W, C] as uint8 [1, C, H, W]."""
    import torch

    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]


def save_grid(path: Path, rows: Sequence[Sequence[Pixels]], note: Mapping[str, Any]) -> None:
    """Write an image grid without labels, with its note."""
    save(path, grid(rows), note, GRID)


def near_square(images: Sequence[Pixels]) -> list[Sequence[Pixels]]:
    """One list of images as rows of a grid that is about as wide as high."""
    columns = square_columns(len(images))
    return [images[first : first + columns] for first in range(0, len(images), columns)]


def square_columns(count: int) -> int:
    """The columns of a grid of `count` images that is about as wide as high."""
    return max(1, round(math.sqrt(count) + 0.49))


@dataclass(frozen=True)
class Block:
    """A part of a labelled grid: rows of equally large images [H, W, 3 or 4]; `None` leaves a place empty."""

    rows: Sequence[Sequence[Pixels | None]]
    columns: Sequence[str]  # a label above each column
    row_labels: Sequence[str] = ()
    title: str = ""


def wrapped(images: Sequence[Pixels], labels: Sequence[str]) -> list[Block]:
    """One list of images, each with a label, as a grid that is about as wide as high."""
    columns = square_columns(len(images))
    starts = range(0, len(images), columns)
    return [Block([images[first : first + columns]], labels[first : first + columns]) for first in starts]


def labelled(blocks: Sequence[Block], title: str) -> Pixels:
    """The blocks below each other, with labels, uint8 [H, W, 3]. Blocks wider than 2,048 pixels are wrapped."""
    height, width = next(
        image.shape[:2] for block in blocks for row in block.rows for image in row if image is not None
    )
    texts = [_cut(label) for block in blocks for label in block.columns]
    cell = max([width, *(_width(text) + GAP for text in texts)]) + GAP
    margin = GAP + max((_width(_cut(label)) + 2 * GAP for block in blocks for label in block.row_labels), default=0)
    fitting = max(1, (MAX_WIDTH - margin) // cell)
    parts = [part for block in blocks for part in _split(block, fitting)]
    columns = max(len(part.columns) for part in parts)
    lines = _lines(title, max(MAX_WIDTH // 4, margin + columns * cell))
    total_width = max([margin + columns * cell, *(_width(line) + 2 * GAP for line in lines)])
    heights = [LINE * (bool(part.title) + 1) + len(part.rows) * (height + GAP) for part in parts]
    canvas = Image.new("RGB", (total_width, LINE * len(lines) + sum(heights) + GAP), "white")
    for index, line in enumerate(lines):
        _write(canvas, GAP, index * LINE, line)
    for index, part in enumerate(parts):
        _paste(canvas, part, LINE * len(lines) + sum(heights[:index]), margin, cell, height)
    return np.asarray(canvas)


def _paste(canvas: Image.Image, part: Block, y: int, margin: int, cell: int, height: int) -> None:
    """A block whose columns all fit, `y` pixels from the top. margin, cell, height: in pixels."""
    if part.title:
        _write(canvas, GAP, y, part.title)
        y += LINE
    for column, label in enumerate(part.columns):
        _write(canvas, margin + column * cell, y, label)
    for index, row in enumerate(part.rows):
        top = y + LINE + index * (height + GAP)
        if index < len(part.row_labels):
            _write(canvas, GAP, top + (height - LINE) // 2, part.row_labels[index])
        for column, image in enumerate(row):
            if image is not None:
                canvas.paste(_opaque(image), (margin + column * cell, top))


def _write(canvas: Image.Image, x: int, y: int, text: str) -> None:
    ImageDraw.Draw(canvas).text((x, y + GAP), _cut(text), "black", _font())


def _split(block: Block, fitting: int) -> list[Block]:
    starts = range(0, len(block.columns), fitting)
    cut = [slice(first, first + fitting) for first in starts]
    return [
        Block([row[part] for row in block.rows], block.columns[part], block.row_labels, block.title) for part in cut
    ]


def _opaque(image: Pixels) -> Image.Image:
    """On white, where it is transparent."""
    picture = Image.fromarray(image)
    if picture.mode != "RGBA":
        return picture
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


@cache
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(FONT_SIZE)  # inside Pillow; a bitmap font where it has no FreeType


def _width(text: str) -> int:
    return round(_font().getlength(text))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LABEL else f"{text[: MAX_LABEL - 3]}..."


def _lines(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most `width` pixels, but for single longer words."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


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
