"""Training images that were dropped on the page: stored under names of our own, shown as training will see them."""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lfsgan_cli.errors import LfsganError, printable
from lfsgan_cli.generation.output import encode
from lfsgan_cli.images.dataset import LEAST, ImageDataset
from lfsgan_cli.images.decode import decode, fit
from lfsgan_cli.images.formats import BadImageError, UnusableFile, format_of
from lfsgan_cli.images.framing import Fit, Framing
from lfsgan_cli.images.source import Joined, OneImage, open_source
from lfsgan_cli.images.summary import Finding, ImageSummary
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.io.json import read_object
from lfsgan_cli.studio.folder import DRAFTS, Stamp, stamp

MAX_IMAGE_BYTES, MAX_ZIP_BYTES = 64 << 20, 512 << 20  # of one upload
MAX_DRAFT_BYTES, MAX_IMAGES = 1 << 30, 500  # of one draft; thousands of images are what `pretrain` is for
MAX_DRAFTS = 20  # the oldest that no run uses goes first
USUAL = 10  # images
LONGEST_NAME = 80  # characters of a file's name that are kept to be shown

_ID = re.compile(r"[0-9a-f]{16}")
_KEY = re.compile(r"[0-9a-f]{12}")
_INDEX = "draft.json"
_ENDINGS = {
    "PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "AVIF": ".avif",
}  # fmt: skip


class UploadError(LfsganError):
    """An upload that is not taken; `code` is the status of the answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class UnknownDraftError(LfsganError):
    """Uploaded images that are not there (any more)."""

    def __init__(self) -> None:
        super().__init__("these uploaded images are not here any more: drop them again")


@dataclass(frozen=True)
class DraftImage:
    """One image. key: names its file; name: as it was called; size: upright, in pixels.

    crop: where along its longer side the square lies, from 0 to 1; None leaves it to the framing.
    """

    key: str
    name: str
    ending: str
    size: tuple[int, int]
    crop: float | None = None

    @property
    def is_square(self) -> bool:
        """Whether nothing of it is cut off."""
        return self.size[0] == self.size[1]


@dataclass(frozen=True)
class Shown:
    """What the page says of a draft. notes and warnings: as the commands word them. ready: whether it can be learned"""

    line: str
    notes: Sequence[str]
    warnings: Sequence[str]
    ready: bool


@dataclass
class Draft:
    """A set of images. fit: see `Framing`. images: sorted by name, as the command sorts those of a folder."""

    folder: Path
    images: list[DraftImage] = field(default_factory=list)
    fit: Fit = "crop"

    @property
    def id(self) -> str:
        """As addresses name it."""
        return self.folder.name

    @property
    def framing(self) -> Framing:
        """For images whose crop was not moved."""
        return Framing(self.fit)

    def find(self, key: str) -> DraftImage:
        """The image of that key; UnknownDraftError."""
        for image in self.images:
            if image.key == key:
                return image
        raise UnknownDraftError

    def path(self, image: DraftImage) -> Path:
        """The file of an image, as it was uploaded."""
        return self.folder / f"{image.key}{image.ending}"

    def square(self, image: DraftImage, side: int) -> bytes:
        """A PNG of an image as training will see it."""
        return encode(_seen(self.path(image), stamp(self.path(image)), self.fit, image.crop, side)[1], {})

    def add(self, uploads: Sequence[tuple[str, Path]]) -> list[UnusableFile]:
        """Take images and zip files, as (name, file); those that cannot be used, with the reason.

        Nothing is stored if none can be used: UploadError then says why.
        """
        taken: list[tuple[DraftImage, bytes]] = []
        refused: list[UnusableFile] = []
        size, status = sum(self.path(image).stat().st_size for image in self.images), 422
        for name, file in uploads:
            try:
                for image, data in _read(name, file, refused):
                    size += len(data)
                    _check_room(size, len(self.images) + len(taken))
                    taken.append((image, data))
            except UploadError as error:
                refused.append(UnusableFile(name, str(error)))
                status = error.code
        if refused and not taken:
            raise UploadError(status, "; ".join(map(str, refused[:5])))
        self.folder.mkdir(parents=True, exist_ok=True)
        for image, data in taken:
            write_atomic(self.path(image), data)
        self.images = sorted([*self.images, *(image for image, _ in taken)], key=lambda image: image.name)
        self.save()
        return refused

    def remove(self, key: str) -> None:
        """Take an image out; UnknownDraftError."""
        image = self.find(key)
        self.images.remove(image)
        self.save()
        self.path(image).unlink(missing_ok=True)

    def crop(self, key: str, at: float) -> None:
        """Move an image's crop, from 0 to 1 along its longer side; UnknownDraftError."""
        image = self.find(key)
        self.images[self.images.index(image)] = replace(image, crop=min(1.0, max(0.0, at)))
        self.save()

    def save(self) -> None:
        """Write the list of images."""
        document = {"fit": self.fit, "images": [asdict(image) for image in self.images]}
        write_atomic(self.folder / _INDEX, json.dumps(document).encode())

    def show(self, side: int) -> Shown:
        """What is said of the images at a resolution of `side` pixels."""
        if not self.images:
            return Shown("No images yet.", [], [], ready=False)
        findings, names = [], []
        for image in self.images:
            path = self.path(image)
            finding, _ = _seen(path, stamp(path), self.fit, image.crop, side)
            size = (min(finding.size),) * 2 if self.fit == "crop" and image.crop is not None else finding.size
            findings.append(replace(finding, name=image.name, size=size))
            names.append(path)
        summary = ImageSummary(Joined([OneImage(path) for path in names]), findings, side, self.framing)
        warnings = summary.warnings()
        if summary.different < LEAST:
            warnings.append(f"learning needs at least {LEAST} different images, about {USUAL} are usual")
        elif len(findings) < USUAL // 2:
            warnings.append(f"{len(findings)} images are few: about {USUAL} are usual")
        return Shown(summary.line(), summary.notes(can_fit=False), warnings, ready=summary.different >= LEAST)

    def pixels(self, side: int) -> NDArray[np.uint8]:
        """The images as training will see them: uint8 [K, side, side, 3]."""
        paths = [(self.path(image), image.crop) for image in self.images]
        return np.stack([_seen(path, stamp(path), self.fit, crop, side)[1] for path, crop in paths])

    def folder_to_learn_from(self) -> Path:
        """A folder with the images in order, for `learn-task --images`; those whose crop was moved are cut already."""
        folder = self.folder / "images"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for index, image in enumerate(self.images):
            data = self.path(image).read_bytes()
            if self.fit == "crop" and image.crop is not None:
                data, ending = _cut(data, image.crop), ".png"
            else:
                ending = image.ending
            write_atomic(folder / f"{index:04}{ending}", data)
        return folder


class Drafts:
    """All drafts of a workspace."""

    def __init__(self, root: Path) -> None:
        self._folder = root / DRAFTS

    def new(self) -> Draft:
        """An empty one; nothing is written before it has an image."""
        return Draft(self._folder / secrets.token_hex(8))

    def open(self, name: str) -> Draft:
        """The draft of that id; UnknownDraftError for every other text."""
        if not _ID.fullmatch(name) or not (self._folder / name / _INDEX).is_file():
            raise UnknownDraftError
        folder = self._folder / name
        try:
            document = read_object(folder / _INDEX)
            images = [_image(entry) for entry in document["images"]]
            chosen = document["fit"]
        except (LfsganError, KeyError, TypeError, ValueError) as error:
            raise UnknownDraftError from error
        if chosen not in get_args(Fit):
            raise UnknownDraftError
        return Draft(folder, [image for image in images if (folder / f"{image.key}{image.ending}").is_file()], chosen)

    def tidy(self, used: Sequence[str]) -> None:
        """Remove the oldest drafts beyond `MAX_DRAFTS`, but none that is `used`."""
        there = [path for path in self._folder.glob("*") if _ID.fullmatch(path.name) and path.name not in used]
        with suppress(OSError):
            for path in sorted(there, key=lambda path: path.stat().st_mtime)[:-MAX_DRAFTS]:
                shutil.rmtree(path, ignore_errors=True)


def _check_room(size: int, images: int) -> None:
    if size > MAX_DRAFT_BYTES or images >= MAX_IMAGES:
        most = f"{MAX_IMAGES} images or {MAX_DRAFT_BYTES >> 30} GB are the most of one task"
        raise UploadError(413, f"{most}; for more, `lfsgan pretrain` trains a base of its own")


def _image(entry: Any) -> DraftImage:
    match entry:
        case {"key": str(key), "name": str(name), "ending": str(ending), "size": [int(w), int(h)], "crop": crop} if (
            _KEY.fullmatch(key) and ending in _ENDINGS.values() and (crop is None or isinstance(crop, float | int))
        ):
            return DraftImage(key, name, ending, (w, h), crop)
    raise ValueError(entry)


def _read(name: str, file: Path, refused: list[UnusableFile]) -> Iterator[tuple[DraftImage, bytes]]:
    """The images of an upload, each with its bytes; those of a zip that cannot be used are added to `refused`.

    UploadError where the upload itself is not taken.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(32)
    is_zip = head.startswith(b"PK\x03\x04") or (name.lower().endswith(".zip") and format_of(head) is None)
    most = MAX_ZIP_BYTES if is_zip else MAX_IMAGE_BYTES
    if size > most:
        raise UploadError(413, f"{size / (1 << 20):,.0f} MB, and {most >> 20} MB are the most")
    if not is_zip and format_of(head) is None:
        raise UploadError(415, "neither an image that lfsgan reads nor a zip file")
    if not is_zip:
        data = file.read_bytes()
        yield _checked(name, data), data
        return
    try:
        source = open_source(file)
    except LfsganError as error:
        raise UploadError(422, str(error).replace(repr(str(file)), "the zip file")) from error
    refused += source.skipped
    for index, inner in enumerate(source.names):
        try:
            data = source.read(index)
            yield _checked(inner, data), data
        except (BadImageError, UploadError) as error:
            refused.append(UnusableFile(inner, str(error)))


def ending_of(data: bytes) -> str:
    """The ending of a file with these bytes, which were decoded."""
    return _ENDINGS[format_of(data[:32]) or "PNG"]


def _checked(name: str, data: bytes) -> DraftImage:
    """An image that can be decoded whole; UploadError."""
    try:
        size = decode(data).image.size
    except BadImageError as error:
        raise UploadError(422, error.reason) from error
    shown = printable(name.replace("\\", "/"))[-LONGEST_NAME:]
    return DraftImage(secrets.token_hex(6), shown, ending_of(data), size)


@lru_cache(maxsize=4 * MAX_IMAGES)
def _seen(path: Path, _stamp: Stamp, how: Fit, crop: float | None, side: int) -> tuple[Finding, Any]:
    """What is known of an image, and its pixels as training sees them: uint8 [side, side, 3]."""
    kept: list[Any] = []
    found = next(ImageDataset(OneImage(path), side, Framing(how)).examine(kept.append))
    if not isinstance(found, Finding):
        raise UploadError(422, f"{found.reason}: remove this image")
    if how == "crop" and crop is not None:
        kept = [np.array(fit(Image.open(io.BytesIO(_cut(path.read_bytes(), crop))), side), np.uint8)]
    return found, kept[0]


def _cut(data: bytes, at: float) -> bytes:
    """The square at that place of an image's longer side, as a PNG."""
    image = decode(data).image
    side = min(image.size)
    left, top = (round((length - side) * at) for length in image.size)
    file = io.BytesIO()
    image.crop((left, top, left + side, top + side)).save(file, "PNG")
    return file.getvalue()
