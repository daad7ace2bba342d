"""Contact sheets and single pictures on disk, each with a note of how it was drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.png import encode, grid, text_of
from lfsgan_cli.io.files import write_atomic

if TYPE_CHECKING:
    from torch import Tensor

KEY = "lfsgan"  # of the PNG text chunk

Pixels = NDArray[np.uint8]


class ForeignFileError(LfsganError):
    """A file of somebody else where a picture would go."""

    def __init__(self, paths: Sequence[Path]) -> None:
        more, were, them = (f" and {len(paths) - 1} more", "were", "them") if len(paths) > 1 else ("", "was", "it")
        super().__init__(
            f"{str(paths[0])!r}{more} {were} not drawn by lfsgan and will not be replaced: "
            f"choose another --outdir, or move {them}"
        )


class NotAFolderError(LfsganError):
    """A file where pictures would go."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is a file, and pictures go into a folder: choose another --outdir")


def to_arrays(pictures: Tensor) -> list[Pixels]:
    """uint8 [N, 3, H, W] as N arrays [H, W, 3]."""
    return list(pictures.permute(0, 2, 3, 1).contiguous().numpy())


def check_ours(paths: Sequence[Path]) -> None:
    """Refuse to draw over files that do not carry our note."""
    foreign = [path for path in paths if path.exists() and KEY not in text_of(path)]
    if foreign:
        raise ForeignFileError(foreign)


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot be made, since a file stands in its way."""
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise NotAFolderError(part)


def save(path: Path, picture: Pixels, note: Mapping[str, Any]) -> None:
    """Write a PNG with its note."""
    write_atomic(path, encode(picture, {KEY: json.dumps(note, sort_keys=True)}))


def save_grid(path: Path, rows: Sequence[Sequence[Pixels]], note: Mapping[str, Any]) -> None:
    """Write a contact sheet with its note."""
    save(path, grid(rows), note)


def near_square(pictures: Sequence[Pixels]) -> list[Sequence[Pixels]]:
    """One list of pictures as rows of a sheet that is about as wide as high."""
    columns = max(1, round(len(pictures) ** 0.5 + 0.49))
    return [pictures[first : first + columns] for first in range(0, len(pictures), columns)]
