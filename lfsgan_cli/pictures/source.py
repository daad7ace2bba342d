"""Finds the pictures in a folder or a zip file, and reads the bytes of one at a time."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Protocol

from lfsgan_cli.pictures.errors import (
    BadPictureError,
    BrokenZipError,
    NoPicturesError,
    NotASourceError,
    PicturesNotFoundError,
    UnreadableSourceError,
)
from lfsgan_cli.pictures.formats import SUFFIXES

# No picture that Pillow may open is larger; a zip of a few kB can hold terabytes.
MAX_FILE_BYTES = 2**30

_ENCRYPTED = 0x1  # flag bit 0 of a zip entry


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
        PicturesNotFoundError, NotASourceError, UnreadableSourceError, BrokenZipError: nothing to look into.
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
        file = self.path / self.names[index]
        try:
            _refuse_huge(file.stat().st_size)
            return file.read_bytes()
        except OSError as error:
            raise BadPictureError(f"cannot be read ({error.strerror or 'unknown reason'})") from error


def _names_below(root: Path) -> Iterator[str]:
    for parent, _, files in os.walk(root, onerror=_raise):  # linked folders are listed, not entered
        for file in files:
            path = Path(parent, file)
            name = path.relative_to(root).as_posix()
            if _is_picture(name) and path.is_file() and _stays_below(path, root):
                yield name


def _raise(error: OSError) -> None:
    raise error


def _stays_below(path: Path, root: Path) -> bool:
    return not path.is_symlink() or path.resolve().is_relative_to(root.resolve())


class Zip:
    """A zip file's pictures, read where they lie; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise BrokenZipError(path) from error
        # Of two entries with one name the last counts, as for programs that unpack.
        self._entries = {entry.filename: entry for entry in self._file.infolist() if not entry.is_dir()}
        self.names = tuple(sorted(filter(_is_picture, self._entries)))

    def read(self, index: int) -> bytes:
        """The file's bytes, checked against the zip's checksum."""
        entry = self._entries[self.names[index]]
        _refuse_huge(entry.file_size)
        if entry.flag_bits & _ENCRYPTED:
            raise BadPictureError("locked by a password")
        try:
            with self._lock:  # ZipFile counts its open entries without one
                return self._file.read(entry)
        except NotImplementedError as error:
            raise BadPictureError("compressed in a way that cannot be read here") from error
        except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError) as error:
            raise BadPictureError("damaged inside the zip file") from error


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _refuse_huge(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise BadPictureError(f"{size:,} bytes, more than the {MAX_FILE_BYTES:,} that any picture here may take")
