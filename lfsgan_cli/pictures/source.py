"""Finds the pictures in a folder or a zip file, and reads the bytes of one at a time."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from lfsgan_cli.pictures.errors import (
    BadPictureError,
    NoPicturesError,
    NotASourceError,
    PicturesNotFoundError,
    UnreadableSourceError,
)
from lfsgan_cli.pictures.formats import is_picture
from lfsgan_cli.pictures.sizes import refuse_huge
from lfsgan_cli.pictures.zipped import Zip
from lfsgan_cli.plainfile import open_plain


class Source(Protocol):
    """Pictures under one path, in a fixed order; may be read from several threads at once."""

    @property
    def path(self) -> Path:
        """The folder or zip file."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names relative to `path`, with `/` between folders, sorted by code point."""

    def read(self, index: int) -> bytes:
        """The file's bytes.

        Raises:
            BadPictureError: the file cannot be read.
        """


def open_source(path: Path) -> Source:
    """The pictures in the folder (and its folders) or zip file at `path`; no picture is opened yet.

    Raises:
        PicturesNotFoundError, NotASourceError, UnreadableSourceError: nothing to look into.
        BrokenZipError, HarmfulZipError: a zip that is damaged, or made to do harm.
        NoPicturesError: no file in it has a picture's suffix.
    """
    try:
        source = _open(path)
    except OSError as error:
        raise UnreadableSourceError(path, error) from error
    if not source.names:
        raise NoPicturesError(path)
    return source


def _open(path: Path) -> Source:
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise PicturesNotFoundError(path)
    if not path.is_file() or not _claims_to_be_zip(path):
        raise NotASourceError(path)
    return Zip(path)


def _claims_to_be_zip(path: Path) -> bool:
    """By its name or its first bytes, so that a zip that was cut off is told apart from another kind of file."""
    with path.open("rb") as file:
        return path.suffix.lower() == ".zip" or file.read(4) == b"PK\x03\x04" or zipfile.is_zipfile(path)


class Folder:
    """A folder's pictures, those of its folders included; links that lead out of it are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = tuple(sorted(_names_below(path)))

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        try:
            with open_plain(self.path / self.names[index]) as file:
                size = os.fstat(file.fileno()).st_size
                refuse_huge(size)
                return file.read(size)  # Python takes as much memory as it is asked to read, whatever there is
        except OSError as error:
            raise BadPictureError(f"cannot be read ({error.strerror or 'unknown reason'})") from error


def _names_below(root: Path) -> Iterator[str]:
    for parent, _, files in os.walk(root, onerror=_raise):  # linked folders are listed, not entered
        for file in files:
            path = Path(parent, file)
            name = path.relative_to(root).as_posix()
            if is_picture(name) and path.is_file() and _stays_below(path, root):
                yield name


def _raise(error: OSError) -> None:
    raise error


def _stays_below(path: Path, root: Path) -> bool:
    return not path.is_symlink() or path.resolve().is_relative_to(root.resolve())
