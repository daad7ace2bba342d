"""Opens what `torch.save` wrote without running anything, or says in one sentence why not; and writes such files."""

from __future__ import annotations

import argparse
import io
import os
import pickletools
import re
import struct
import warnings
import zipfile
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.errors import one_line
from lfsgan_cli.io.files import open_plain, write_atomic

ZIP = b"PK\x03\x04"
LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # the number that torch.save began with before its files became zips
LEGACY_WITHIN = 24  # bytes; pickle's own first words stand before it
LONGEST_NAME = 80  # characters of a name that messages show
# Python's own name of what people know under another one.
_KNOWN_AS = {"posix": "os", "nt": "os", "__builtin__": "builtins"}


# What stands in for harmless objects of other programs: values only, nothing of theirs runs.
#
# A pickle may set attributes of anything that it was given (BUILD), classes included. `Sealed` refuses that: on an
# instance by its method, and on a class because the method then lacks an argument.


class Sealed:
    """An object that a pickle can make, and not change afterwards."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Refuse what a pickle wants to set."""
        raise ValueError(f"a pickle sets attributes of a {type(self).__name__}")


class Inert(Sealed):
    """Something that no network is made from: numpy's numbers, which say again what the shapes say."""

    __slots__ = ()

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Let it be said, and forget it."""


class Encoded(Sealed):
    """Calling it gives bytes, which pickles of protocol 2 write as text."""

    __slots__ = ()

    def __new__(cls, text: str, *_: object) -> Any:
        """`text`: one character a byte."""
        return text.encode("latin1")


class Defaults(Sealed):
    """Calling it gives an empty dict, whatever it would make of a key that is missing."""

    __slots__ = ()

    def __new__(cls, *_: object) -> Any:
        """Items come after."""
        return OrderedDict[Any, Any]()


_FACTORIES = ("list", "dict", "int", "long", "float", "str")  # of a defaultdict
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
# numpy's numbers and arrays, and paths: training scripts save them along, and no network is made from them.
INERT: dict[tuple[str, str], type] = {
    ("_codecs", "encode"): Encoded,
    ("collections", "defaultdict"): Defaults,
    **{("builtins", name): Inert for name in _FACTORIES},
    **{("__builtin__", name): Inert for name in _FACTORIES},
    ("numpy", "dtype"): Inert,
    ("numpy", "ndarray"): Inert,
    **{(module, name): Inert for module in _NUMPY for name in ("scalar", "_reconstruct")},
    **{("pathlib", name): Inert for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")},
    **{("pathlib._local", name): Inert for name in ("Path", "PosixPath", "WindowsPath")},  # Python 3.13
}


class ForeignGlobalError(CheckpointError):
    """A file that wants a function or a class of some program to be called."""

    def __init__(self, path: Path, asked: str) -> None:
        module, _, name = asked.rpartition(".")
        super().__init__(
            path,
            f"is refused: it asks for {_shown(_KNOWN_AS.get(module, module), name)}, which weights never need",
            "nothing was executed; ask its author for a file of plain tensors",
        )


class UnreadableError(CheckpointError):
    """A file that begins as torch's do, and does not go on so."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "is cut short, damaged, or no file that torch.save wrote", "download it again and compare its size"
        )


def _shown(module: str, name: str) -> str:
    return one_line(f"{module}.{name}")[:LONGEST_NAME]


_OTHERS = (  # how files begin that are mistaken for checkpoints; what they are; what to do
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself", "run `git lfs pull` where it came from"),
    (b"<!doctype", "is a web page, not the file itself", "download it again, and look at what the page says"),
    (b"<html", "is a web page, not the file itself", "download it again, and look at what the page says"),
    *(
        (magic, "is packed", "unpack it first")
        for magic in (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"rar!", b"\xfd7zxz", b"\x28\xb5\x2f\xfd", b"bzh")
    ),
)
_TAR = slice(257, 262)
HEAD_BYTES = 512  # of a file that `check_kind` wants


def check_kind(path: Path, head: bytes) -> None:
    """CheckpointError for what stands for a checkpoint, or has one in it: a pointer, a web page, an archive."""
    for magic, what, out in _OTHERS:
        if head.lstrip().lower().startswith(magic):
            raise CheckpointError(path, what, out)
    if head[_TAR] == b"ustar" or (head.startswith(ZIP) and not _is_torch_zip(path)):
        raise CheckpointError(path, "is packed", "unpack it first")


def _is_torch_zip(path: Path) -> bool:
    """Also true for what is no whole zip, of which the reader tells more."""
    try:
        with open_plain(path) as file, zipfile.ZipFile(file) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return True


def is_torch(head: bytes) -> bool:
    """Whether a file's first bytes (32 suffice) are those of torch.save, zip or legacy."""
    return head.startswith(ZIP) or LEGACY in head[: LEGACY_WITHIN + len(LEGACY)]


_LET_THROUGH: list[Any] = [argparse.Namespace, *((kind, ".".join(name)) for name, kind in INERT.items())]


def load(path: Path) -> Any:
    """What a torch file holds, its tensors on the CPU; those of a zip are mapped, so that only what is used is read.

    Besides plain values, `argparse.Namespace` is let through, which many training scripts save along and which does
    nothing; what `INERT` names is read as empty values. Raises ForeignGlobalError for any other class or function,
    UnreadableError for damage.
    """
    try:
        _survey(path)
        # Warnings are about formats of the past, which the user can do nothing about.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_LET_THROUGH):
            return _load(path)
    except ForeignNameError as error:
        raise ForeignGlobalError(path, error.name) from None
    except Exception as error:  # damage leads torch's reader to whatever exception it likes
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked:
            raise ForeignGlobalError(path, asked[1]) from None
        raise UnreadableError(path) from error


def _survey(path: Path) -> None:
    with open_plain(path) as file:
        is_zip = file.read(len(ZIP)) == ZIP
        file.seek(0)
        if is_zip:
            survey_zip(file)
        else:
            survey_legacy(file, os.fstat(file.fileno()).st_size)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP
        # Given a path, torch goes by its suffix and not by what is in the file; only a path can be mapped.
        if is_zip and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)


def save(path: Path, document: Any) -> None:
    """Write what `torch.save` would, whole or not at all; FileWriteError where that cannot be done."""
    content = io.BytesIO()
    torch.save(document, content)
    write_atomic(path, content.getbuffer())


def check_distinct(path: Path, tensors: Iterable[Tensor]) -> None:
    """CheckpointError where tensors are larger together than their file: they share numbers, and copies would not."""
    size = path.stat().st_size
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > size:
        raise CheckpointError(
            path, f"claims more numbers than its {size:,} bytes can hold", "take an undamaged copy of plain tensors"
        )


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is numbers in memory, and no more of them than its file holds: damage can claim any size."""
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or not tensor.is_floating_point():
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


# Goes through pickles and torch's zips without following them; refuses what following would cost more than the file.
#
# Readers that run nothing still make what they are asked for: lists within lists, zeros of any length, storages of any
# size. Deep tuples end the process, as Python's own hash of them runs out of the stack.


LONGEST = 1_000_000  # instructions; a StyleGAN2 of 1024 pixels takes about 50,000
MOST_TUPLES = 50_000  # of those; Python's stack holds more than 100,000 of them within one another
MOST_PICKLE_BYTES = 16 << 20  # of the part of a torch file that says what its tensors are; 0.1 MB is usual
LEGACY_PICKLES = 5  # a number, a version, a system, the content, the names of storages; numbers follow

# What no file of NVIDIA's or torch's uses.
_NEVER = {"DUP", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "FROZENSET"}
_PLACES = ("PUT", "BINPUT", "LONG_BINPUT")
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_NEAR = 12  # instructions before the one that asks for a storage, among which its length is

# What plain tensors, and what training scripts save along with them, are made of.
_HARMLESS = re.compile(
    r"collections\.OrderedDict|argparse\.Namespace|(builtins|__builtin__)\.set"
    r"|torch\.(Size|device|bool|b?float\d+|u?int\d+|\w+Storage|storage\.\w+Storage)|torch\.nn\.parameter\.Parameter"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)|torch\.serialization\._get_layout"
)
_END = struct.Struct("<4s4H2IH")  # a zip's last record, APPNOTE 4.3.16
_END_MARK = b"PK\x05\x06"
_IN_64_BITS = 0xFFFFFFFF


class ForeignNameError(Exception):
    """A pickle asks for something that weights do not need. name: with its module."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def survey(file: BinaryIO, size: int, check_name: Callable[[str], None] | None = None) -> None:
    """One pickle, from where the file stands to behind it; ValueError where following it would cost more than `size`.

    check_name: is told every function and class that is asked for.
    """
    # Python makes room for numbered memories and for frames before it looks whether anything comes.
    limits = dict.fromkeys(_PLACES, LONGEST) | {"FRAME": size}
    tuples, near = 0, deque[object](maxlen=_NEAR)
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        tuples += opcode.name in _TUPLES
        if count > LONGEST or tuples > MOST_TUPLES or opcode.name in _NEVER:
            raise ValueError(f"instruction {count}: {opcode.name}")
        if isinstance(argument, int) and argument > limits.get(opcode.name, argument):
            raise ValueError(f"instruction {count}: {opcode.name} {argument}")
        if opcode.name == "BINPERSID" and any(isinstance(number, int) and number > size for number in near):
            raise ValueError(f"instruction {count}: a storage that is larger than the file")
        if check_name is not None:
            _check_names(opcode.name, argument, check_name)
        near.append(argument)


def survey_legacy(file: BinaryIO, size: int) -> None:
    """What torch wrote before its files were zips; ValueError, ForeignNameError."""
    for _ in range(LEGACY_PICKLES):
        survey(file, size, _refuse_foreign)


def survey_zip(file: BinaryIO) -> None:
    """What torch writes: a zip without compression, and pickles in it; ValueError, ForeignNameError."""
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check_end(file, size, archive)
        names = {entry.filename.lower() for entry in entries}
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        # Two readers could take different ones of two names, and torch's takes upper and lower case for the same.
        if len(names) < len(entries) or not stored or sum(entry.file_size for entry in entries) > size:
            raise ValueError("a zip that torch did not write")
        for entry in entries:
            if entry.filename.endswith(".pkl"):
                _survey_entry(archive, entry)


def _survey_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    if entry.file_size > MOST_PICKLE_BYTES:
        raise ValueError(f"{entry.file_size} bytes of pickle")
    with archive.open(entry) as pickled:
        # The length of a storage is checked when it is used: a zip's storages are parts of the file.
        survey(pickled, _IN_64_BITS << 31, _refuse_foreign)  # type: ignore[arg-type]  # it reads, which is enough


def _check_end(file: BinaryIO, size: int, archive: zipfile.ZipFile) -> None:
    """The list of entries must lie where the last record says: Python would look for it elsewhere, torch would not."""
    file.seek(max(0, size - _END.size))
    mark, *_, place, comment = _END.unpack(file.read(_END.size))
    if mark != _END_MARK or comment or place not in {archive.start_dir, _IN_64_BITS}:
        raise ValueError("a zip that torch did not write")


def _check_names(opcode: str, argument: object, check_name: Callable[[str], None]) -> None:
    if opcode == "GLOBAL":
        check_name(str(argument).replace(" ", "."))
    elif opcode in {"STACK_GLOBAL", "INST", "OBJ"}:  # torch's files have none of them
        raise ValueError(f"instruction {opcode}")


def _refuse_foreign(name: str) -> None:
    if not _HARMLESS.fullmatch(name) and tuple(name.rpartition(".")[::2]) not in INERT:
        raise ForeignNameError(name)
