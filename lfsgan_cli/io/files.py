"""Files: written whole or not at all, opened only if they are plain files, and the names that tasks may have."""

import contextlib
import errno
import os
import re
import secrets
import stat
import tempfile
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from lfsgan_cli.errors import LfsganError

Chunk = bytes | bytearray | memoryview

# The options of a run, which it keeps in its folder, and how that file begins.
CONFIG, CONFIG_MARK = "config.toml", "# Configuration of lfsgan "
MAX_NAME = 100
MAX_NAME_BYTES = 200  # in UTF-8; file systems take 255 for a name, and ours have suffixes
_FORBIDDEN = "=,/\\:" + '<>"|?*'  # what the command line separates names by, and what Windows refuses
# Windows opens a device instead of a file of such a name, with any extension.
_RESERVED = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{digit}" for port in ("COM", "LPT") for digit in range(1, 10)}
_TOKEN_BYTES = 8
_PARTIAL = re.compile(rf"\.[0-9a-f]{{{2 * _TOKEN_BYTES}}}\.partial")
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}  # what network file systems answer


class FileWriteError(LfsganError):
    """A file could not be written; what was there before is untouched."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            f"cannot write {str(path)!r}: {cause.strerror or cause}; expected a writable folder with enough space; "
            "files that were there are unchanged"
        )


class TaskNameError(LfsganError):
    """A name that cannot be a task's."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r} cannot name a task: {reason}; use a name such as 'cats' or 'cats-2'")


def write_atomic(path: Path, data: Chunk | Iterable[Chunk]) -> None:
    """Write `data` (in one piece or in many) under a temporary name beside `path`, then put it in place at once.

    Whatever goes wrong, `path` holds the old content or the new, and no other file is left. An OSError becomes
    FileWriteError; an exception that `data` raises passes.
    """
    partial = path.with_name(f".{secrets.token_hex(_TOKEN_BYTES)}.partial")
    try:
        try:
            with partial.open("xb") as file:
                for chunk in [data] if isinstance(data, Chunk) else data:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise FileWriteError(path, error) from error


def cache_folder() -> Path:
    """$LFSGAN_CACHE_DIR, else the user's cache folder of this program. It may not exist yet.

    A user without a home folder has a temporary one; what is read from it is checked by its hash anyway.
    """
    import platformdirs  # help pages need none

    override = os.environ.get("LFSGAN_CACHE_DIR")
    try:
        return Path(override).expanduser() if override else platformdirs.user_cache_path("lfsgan", appauthor=False)
    except RuntimeError:  # no home folder
        return Path(tempfile.gettempdir()) / f"lfsgan-cache-{getattr(os, 'getuid', int)()}"


def partials(folder: Path) -> list[Path]:
    """Temporary files of `write_atomic` below a folder: of a write that is in progress, or that was killed."""
    return sorted(path for path in folder.rglob(".*.partial") if _PARTIAL.fullmatch(path.name))


def sync_folder(folder: Path) -> None:
    """Write the names in a folder, new, changed or removed, to the disk; OSError."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def open_plain(path: Path) -> BinaryIO:
    """A file opened for reading its bytes; OSError for a folder, a pipe, a device, or where it cannot be opened.

    Reading a pipe or a device may never end, and opening one may have effects.
    """
    _refuse_special(path, path.stat().st_mode)
    # Should it have become a pipe since, opening it does not wait for somebody to write.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _refuse_special(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: Path, most: int) -> bytes:
    """All bytes of a file; OSError as `open_plain`, and for more than `most` of them, before they are read."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, and {most:,} are the most here", str(path))
        return file.read(most)


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))


def check_name(name: str) -> str:
    """`name` in Unicode's form NFC, if every file system can hold it; TaskNameError otherwise.

    Letters of any alphabet, digits, spaces and signs but `= , / \\ : < > " | ? *`, with a letter or digit in front, at
    most 100.
    """
    name = unicodedata.normalize("NFC", name)
    size = len(name.encode("utf-8", "surrogatepass"))
    if len(name) > MAX_NAME or size > MAX_NAME_BYTES:
        raise TaskNameError(name, f"it has {len(name)} characters in {size} bytes, {MAX_NAME} in {MAX_NAME_BYTES} fit")
    bad = next((char for char in name if char in _FORBIDDEN or not char.isprintable()), None)
    if bad is not None:
        raise TaskNameError(name, f"it holds {bad!r}, and none of {' '.join(_FORBIDDEN)} is allowed")
    if not name[:1].isalnum():
        raise TaskNameError(name, "expected a letter or a digit in front")
    if name.split(".", maxsplit=1)[0].strip().upper() in _RESERVED or name.endswith((".", " ")):
        raise TaskNameError(name, "Windows does not allow it as a file's name")
    return name
