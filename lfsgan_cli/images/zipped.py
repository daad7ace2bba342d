"""A zip file's images, read in place; one that is made to do harm is refused before anything of it is unpacked."""

from __future__ import annotations

import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.formats import BadImageError, refuse_huge
from lfsgan_cli.images.listing import Listing, Use
from lfsgan_cli.images.png import HEAD_BYTES
from lfsgan_cli.io.files import open_plain

# In memory, a zip's list of entries takes some fifteen times what it takes in the file.
MAX_LIST_BYTES = 16 << 20
MAX_LIST_SHARE = 0.1  # of the file, for sets of millions of images
MAX_UNPACKED_BYTES = 1 << 27  # of one entry that was compressed; images hardly are
MAX_TOTAL_BYTES = 4 << 30
MAX_RATIO = 100  # of all that is unpacked to the file, beyond MAX_TOTAL_BYTES; PNG and JPEG have one

_ENCRYPTED = 0x1  # flag bit 0 of a zip entry
_UNIX = 3  # the system whose kind of file an entry's attributes tell
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}  # LZMA asks for any amount of memory
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, struct.error)
_LEADS_OUT = re.compile(r"/|[A-Za-z]:|(?:.*/)?\.\.(?:/|$)")


class BrokenZipError(LfsganError):
    """A zip file whose list of entries cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is not a whole zip file (damaged or cut off): copy it again")


class HarmfulZipError(LfsganError):
    """A zip file that takes far more memory or time than its size: made so, or damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} is refused: {reason}; nothing was unpacked: put the images into a folder")


class Zip:
    """A zip file's images; nothing is unpacked to disk, and what its names say leads nowhere."""

    def __init__(self, path: Path, use: Use) -> None:
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
        # Windows programs write `\` between folders. Of two entries with one name the last counts, as when unpacking.
        named = {entry.filename.replace("\\", "/"): entry for entry in self._file.infolist()}
        self._entries = {name: entry for name, entry in named.items() if not name.endswith("/")}
        try:
            _refuse_harm(path, list(self._entries.values()), size)
        except HarmfulZipError:
            guarded.close()
            raise
        listing = Listing(use)
        roots = {name.removesuffix("base.safetensors") for name in self._entries if name.endswith("base.safetensors")}
        for name, entry in self._entries.items():
            owned = any(name.startswith(root) and (root or name.startswith(("tasks/", "base/"))) for root in roots)
            listing.add(name, partial(self._head, entry), trouble=_trouble(name, entry), in_workspace=owned)
        self.names, self.skipped, self.left_out = listing.names, listing.skipped, listing.left_out

    def fingerprint(self, index: int) -> str:
        """See `Source`."""
        entry = self._entries[self.names[index]]
        return f"{entry.file_size}:{entry.CRC:08x}"

    def read(self, index: int) -> bytes:
        """The file's bytes, checked against the zip's checksum."""
        entry = self._entries[self.names[index]]
        refuse_huge(entry.file_size)
        _refuse_unpacking(entry)
        try:
            with self._lock:  # ZipFile counts its open entries without one
                return self._file.read(entry)
        except NotImplementedError as error:
            raise BadImageError("compressed in a way that cannot be read here") from error
        except (*_DAMAGE, OSError) as error:
            raise BadImageError("damaged inside the zip file") from error

    def _head(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            _refuse_unpacking(entry)
            with self._file.open(entry) as file:
                return file.read(HEAD_BYTES)
        except (*_DAMAGE, OSError, NotImplementedError, BadImageError):
            return b""  # said when the whole entry is read


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


def _trouble(name: str, entry: zipfile.ZipInfo) -> str:
    if entry.create_system == _UNIX and stat.S_ISLNK(entry.external_attr >> 16):
        return "a link"
    return "its name leads out of the zip file" if _LEADS_OUT.match(name) else ""


def _refuse_harm(path: Path, entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    if sum(entry.compress_size for entry in entries) > size:
        raise HarmfulZipError(path, "its entries overlap")
    total = sum(entry.file_size for entry in entries)
    if total > max(MAX_TOTAL_BYTES, size * MAX_RATIO):
        raise HarmfulZipError(path, f"it would unpack to {total:,} bytes")


def _refuse_unpacking(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise BadImageError("locked by a password")
    if entry.compress_type not in _METHODS:
        raise BadImageError("compressed in a way that is not read here; deflate is")
    if entry.file_size > MAX_UNPACKED_BYTES and entry.compress_type != zipfile.ZIP_STORED:
        raise BadImageError(f"it would unpack to {entry.file_size:,} bytes; put it into a folder as it is")
