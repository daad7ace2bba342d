"""A zip file's pictures, read where they lie; a file that is made to do harm is refused before it is unpacked."""

from __future__ import annotations

import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from lfsgan_cli.images.formats import (
    BadPictureError,
    BrokenZipError,
    HarmfulZipError,
    NoPicturesError,
    NotASourceError,
    PicturesNotFoundError,
    UnreadableSourceError,
    is_picture,
    refuse_huge,
)
from lfsgan_cli.io.files import open_plain

# In memory, a zip's list of entries takes some fifteen times what it takes in the file.
MAX_LIST_BYTES = 16 << 20
MAX_LIST_SHARE = 0.1  # of the file, for sets of millions of pictures
MAX_UNPACKED_BYTES = 1 << 27  # of one entry that was compressed; pictures hardly are
MAX_TOTAL_BYTES = 4 << 30
MAX_RATIO = 100  # of all that is unpacked to the file, beyond MAX_TOTAL_BYTES; PNG and JPEG have one

_ENCRYPTED = 0x1  # flag bit 0 of a zip entry
_UNIX = 3  # the system whose kind of file an entry's attributes tell
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}  # LZMA asks for any amount of memory
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, struct.error)


class Zip:
    """A zip file's pictures; nothing is unpacked to disk, and what its names say leads nowhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        file = open_plain(path)
        size = os.fstat(file.fileno()).st_size
        guarded = _Guarded(file, max(MAX_LIST_BYTES, int(size * MAX_LIST_SHARE)))
        try:
            self._file = zipfile.ZipFile(guarded)
        except (*_DAMAGE, NotImplementedError) as error:
            guarded.close()  # the collector may come to the file before it comes to its guard, and warn
            raise BrokenZipError(path) from error
        guarded.most = size
        entries = [entry for entry in self._file.infolist() if not entry.is_dir() and not _is_link(entry)]
        try:
            _refuse_harm(path, entries, size)
        except HarmfulZipError:
            guarded.close()
            raise
        # Of two entries with one name the last counts, as for programs that unpack.
        self._entries = {entry.filename: entry for entry in entries}
        self.names = tuple(sorted(filter(is_picture, self._entries)))

    def read(self, index: int) -> bytes:
        """The file's bytes, checked against the zip's checksum."""
        entry = self._entries[self.names[index]]
        refuse_huge(entry.file_size)
        _refuse_unpacking(entry)
        try:
            with self._lock:  # ZipFile counts its open entries without one
                return self._file.read(entry)
        except NotImplementedError as error:
            raise BadPictureError("compressed in a way that cannot be read here") from error
        except (*_DAMAGE, OSError) as error:
            raise BadPictureError("damaged inside the zip file") from error


class _Guarded:
    """A file of which no more than `most` bytes are read at once, whatever the list in it says."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self.most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        found = self._file.read(self.most + 1 if count < 0 else min(count, self.most + 1))
        if len(found) > self.most:
            raise zipfile.BadZipFile(f"{count} bytes at once")
        return found

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        self._file.close()


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return entry.create_system == _UNIX and stat.S_ISLNK(entry.external_attr >> 16)


def _refuse_harm(path: Path, entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    if sum(entry.compress_size for entry in entries) > size:
        raise HarmfulZipError(path, "its entries lie over one another")
    total = sum(entry.file_size for entry in entries)
    if total > max(MAX_TOTAL_BYTES, size * MAX_RATIO):
        raise HarmfulZipError(path, f"it would unpack to {total:,} bytes")


def _refuse_unpacking(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise BadPictureError("locked by a password")
    if entry.compress_type not in _METHODS:
        raise BadPictureError("compressed in a way that is not read here; deflate is")
    if entry.file_size > MAX_UNPACKED_BYTES and entry.compress_type != zipfile.ZIP_STORED:
        raise BadPictureError(f"it would unpack to {entry.file_size:,} bytes; put it into a folder as it is")


# Finds the pictures in a folder or a zip file, and reads the bytes of one at a time.


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
