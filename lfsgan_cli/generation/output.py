"""PNG files that say how they were made, and the folder they go into: no file of others, no mixed settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.png import NOTE, encode
from lfsgan_cli.io.files import open_plain, write_atomic

LISTS = ("task", "seed", "file_sha256")  # entries of a note in which images of equal settings may differ

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


def read_note(path: Path) -> dict[str, Any] | None:
    """The note of a PNG that lfsgan wrote; None for all other files. The pixels are not read."""
    try:
        with open_plain(path) as file, Image.open(file, formats=["PNG"]) as image:
            note = json.loads(image.info[NOTE])
    except Exception:  # noqa: BLE001 - on foreign or damaged bytes Pillow's parsers raise nearly anything
        return None
    return note if isinstance(note, dict) else None


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
