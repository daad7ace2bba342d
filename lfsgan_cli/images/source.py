"""Finds the images in folders and zip files, and reads the bytes of one at a time."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Protocol

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.formats import HEAD_BYTES, SUFFIXES, BadImageError, UnusableFile, format_of, refuse_huge
from lfsgan_cli.images.listing import Listing, Use, left_out_text, skipped_text
from lfsgan_cli.io.files import open_plain

SAMPLED = 4096  # bytes of a file's fingerprint, at each of three places


class SourceNotFoundError(LfsganError):
    """There is nothing at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no images at {str(path)!r}: there is no such folder, zip file or image; check the path")


class NotASourceError(LfsganError):
    """The path is neither a folder, nor a zip file, nor an image."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is neither a folder nor a zip file nor an image: put the images into a folder")


class UnreadableSourceError(LfsganError):
    """The operating system refuses to read the folder or zip file."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = error.strerror or "unknown reason"
        super().__init__(f"cannot read {str(error.filename or path)!r} ({reason}): check that you may open it")


class NoImagesError(LfsganError):
    """A folder or zip file without an image that can be used."""

    def __init__(self, path: Path, skipped: Sequence[UnusableFile], left_out: int) -> None:
        found = [text for text in (skipped_text(skipped), left_out_text(left_out)) if text]
        super().__init__(
            f"no image to use in {str(path)!r}: expected files ending in {' '.join(SUFFIXES)}"
            + "".join(f"; {text}" for text in found)
        )


class Source(Protocol):
    """Images in a fixed order; may be read from several threads at once."""

    @property
    def path(self) -> Path:
        """The folder, zip file or image."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names relative to `path`, with `/` between folders, sorted by code point."""

    @property
    def skipped(self) -> tuple[UnusableFile, ...]:
        """Files that are not used, each with its reason, images first; hidden files that are no images do not count."""

    @property
    def left_out(self) -> int:
        """How many images are not used because lfsgan wrote them, or because they are in a workspace."""

    def fingerprint(self, index: int) -> str:
        """What tells a file from others without decoding it: its size, and its CRC in a zip file, or sampled bytes."""

    def read(self, index: int) -> bytes:
        """The file's bytes.

        Raises:
            BadImageError: the file cannot be read.
        """


def identity(source: Source) -> str:
    """SHA-256 (hex) over the names and fingerprints of all images: fast for large sets, since nothing is decoded.

    In a zip file that is the size and the CRC that its list tells; of a file in a folder, its size and up to 12 kB from
    its start, middle and end. A folder and a zip file of the same images differ.

    Raises:
        BadImageError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for index, name in enumerate(source.names):
        digest.update(f"{name}\0{source.fingerprint(index)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def open_source(path: Path, use: Use = "reference") -> Source:
    """The images in the folder (and its folders) or zip file at `path`, or the one image there; none is decoded yet.

    use: see `Use`; an image that is named itself is used whatever it is.

    Raises:
        SourceNotFoundError, NotASourceError, UnreadableSourceError: nothing to look into.
        BrokenZipError, HarmfulZipError: a zip that is damaged, or made to do harm.
        NoImagesError: no file in it is an image that can be used.
    """
    try:
        source = _open(path, use)
    except OSError as error:
        raise UnreadableSourceError(path, error) from error
    if not source.names:
        raise NoImagesError(path, source.skipped, source.left_out)
    return source


def open_sources(paths: Sequence[Path], use: Use = "reference") -> Source:
    """The images of several folders, zip files and images, in this order; raises as `open_source` does."""
    sources = [open_source(path, use) for path in paths]
    return sources[0] if len(sources) == 1 else Joined(sources)


def _open(path: Path, use: Use) -> Source:
    if path.is_dir():
        return Folder(path, use)
    if not path.exists():
        raise SourceNotFoundError(path)
    if not path.is_file():
        raise NotASourceError(path)
    with open_plain(path) as file:
        head = file.read(32)
    # By its name or its first bytes, so that a zip that was cut off is told apart from another kind of file.
    if path.suffix.lower() == ".zip" or head.startswith(b"PK\x03\x04"):
        return Zip(path, use)
    if path.suffix.lower() in SUFFIXES or format_of(head):
        return OneImage(path)
    if zipfile.is_zipfile(path):
        return Zip(path, use)
    raise NotASourceError(path)


class OneImage:
    """An image that the user named itself."""

    skipped: tuple[UnusableFile, ...] = ()
    left_out = 0

    def __init__(self, path: Path) -> None:
        self.path, self.names = path, (path.name,)

    def fingerprint(self, index: int) -> str:
        """See `Source`."""
        return _fingerprint(self.path.parent / self.names[index])

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        return _read_file(self.path.parent / self.names[index])


class Joined:
    """Several sources one after another; names begin with the path of theirs, but for images named themselves."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.path = Path(" + ".join(str(source.path) for source in sources))
        self._ends = list(accumulate(len(source.names) for source in sources))
        self.names = tuple(
            str(source.path) if isinstance(source, OneImage) else f"{source.path.as_posix()}/{name}"
            for source in sources
            for name in source.names
        )
        self.skipped = tuple(file for source in sources for file in source.skipped)
        self.left_out = sum(source.left_out for source in sources)

    def fingerprint(self, index: int) -> str:
        """See `Source`."""
        source, place = self._at(index)
        return source.fingerprint(place)

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        source, place = self._at(index)
        return source.read(place)

    def _at(self, index: int) -> tuple[Source, int]:
        nth = bisect_right(self._ends, index)
        return self._sources[nth], index - (self._ends[nth] - len(self._sources[nth].names))


class Folder:
    """A folder's images, those of its folders included; links that lead out of it are not followed."""

    def __init__(self, path: Path, use: Use) -> None:
        self.path = path
        self._root = path.resolve()
        listing = Listing(use)
        own = lru_cache(maxsize=None)(self._is_in_workspace)
        for parent, folders, files in os.walk(path, onerror=_raise):  # linked folders are listed, not entered
            here = Path(parent)
            links = [folder for folder in folders if (here / folder).is_symlink()]
            for file in (*files, *links):
                found = here / file
                listing.add(
                    found.relative_to(path).as_posix(),
                    partial(_head, found),
                    trouble=self._trouble(found),
                    in_workspace=use != "own" and own(here),
                )
        self.names, self.skipped, self.left_out = listing.names, listing.skipped, listing.left_out

    def fingerprint(self, index: int) -> str:
        """See `Source`."""
        return _fingerprint(self.path / self.names[index])

    def read(self, index: int) -> bytes:
        """The file's bytes."""
        return _read_file(self.path / self.names[index])

    def _trouble(self, path: Path) -> str:
        if path.is_symlink() and not path.exists():
            return "a link to nothing"
        if path.is_symlink() and not path.resolve().is_relative_to(self._root):
            return "a link that leads out of the folder; copy it here"
        if path.is_dir():
            return "a link to a folder, which is not followed"
        return "" if path.is_file() else "a pipe or a device"

    def _is_in_workspace(self, folder: Path) -> bool:
        """In a workspace inside the source, or where a workspace around it keeps its tasks and its base's run."""
        place = folder.resolve()
        for root in (place, *place.parents):
            below = place.relative_to(root).parts
            inside_source = root != self._root and root.is_relative_to(self._root)
            if (inside_source or (below and below[0] in {"tasks", "base"})) and _is_workspace(root):
                return True
        return False


def _is_workspace(root: Path) -> bool:
    return (root / "base.safetensors").is_file() or any((root / "tasks").glob("*.safetensors"))


def _head(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""  # said when the whole file is read


def _read_file(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            refuse_huge(size)
            return file.read(size)  # Python takes as much memory as it is asked to read, whatever there is
    except OSError as error:
        raise BadImageError(f"cannot be read ({error.strerror or 'unknown reason'})") from error


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            for start in sorted({0, size // 2, max(0, size - SAMPLED)}):
                file.seek(start)
                digest.update(file.read(SAMPLED))
    except OSError as error:
        raise BadImageError(f"cannot be read ({error.strerror or 'unknown reason'})") from error
    return f"{size}:{digest.hexdigest()}"


def _raise(error: OSError) -> None:
    raise error


# A zip file's images, read in place; one that is made to do harm is refused before anything of it is unpacked.


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
