"""Safetensors files: headers read without torch and checked, files written in one canonical order, hashes of both.

The last part is what the files of bases and tasks have in common: how damage is found and worded, JSON in headers.

The format: 8 bytes with the header's length N (little endian), N bytes of JSON, the tensors' bytes without a gap.
Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lfsgan_cli.errors import LfsganError, one_line, quoted
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import open_plain, write_atomic

if TYPE_CHECKING:
    from torch import Tensor
from typing import TYPE_CHECKING, ClassVar

from lfsgan_cli.errors import is_presentable

if TYPE_CHECKING:
    from torch import Tensor


ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
# torch's names of the dtypes that are written.
_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "bfloat16": "BF16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip
# The format allows 100 MB; our own headers, those of checkpoints too, have about 0.1 MB. In memory, a header takes up
# to thirty times its size.
MAX_HEADER_BYTES = 8 << 20
MAX_AXES = 16  # of a tensor; torch's own convolutions have four
SEAL = "lfsgan.header_sha256"  # in a header: the hash of everything else in it
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_CHUNK = 1 << 20  # bytes


class TensorFileError(LfsganError):
    """A file that cannot be read as safetensors."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot read {str(path)!r}: {reason}; expected a whole safetensors file")


class TensorDtypeError(LfsganError):
    """A tensor of a dtype that is not saved."""

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(f"tensor {quoted(name)} has the dtype {dtype}, expected one of {', '.join(_NAMES)}")


class _MalformedError(Exception):
    """What is wrong with a header; never leaves this module."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: dtype as the format spells it, shape, and its bytes [begin, end) within the data section."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """Everything before the data: metadata, tensors in the order of their bytes, and the file's size in bytes."""

    metadata: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    file_bytes: int = 0

    @property
    def parameters(self) -> int:
        """The number of elements of all tensors together."""
        return sum(math.prod(spec.shape) for spec in self.tensors.values())


# Reading headers of untrusted files.


def read_header(path: Path) -> Header:
    """The header of a safetensors file, every offset checked against the file's size; TensorFileError otherwise."""
    try:
        with open_plain(path) as file:
            return _parsed(file, os.fstat(file.fileno()).st_size)
    except FileNotFoundError as error:
        raise TensorFileError(path, "there is no such file") from error
    except OSError as error:
        raise TensorFileError(path, error.strerror or str(error)) from error
    except _MalformedError as error:
        raise TensorFileError(path, str(error)) from error


def _parsed(file: BinaryIO, size: int) -> Header:
    prefix = file.read(_LENGTH_BYTES)
    if len(prefix) < _LENGTH_BYTES:
        raise _MalformedError(f"{size} bytes are too few")
    length = int.from_bytes(prefix, "little")
    # Another kind of file nearly always spells an absurd length here.
    if length > MAX_HEADER_BYTES:
        raise _MalformedError(
            f"it is another kind of file (its header would have {length:,} bytes; {MAX_HEADER_BYTES:,} are the most)"
        )
    if length > size - _LENGTH_BYTES:
        raise _MalformedError(
            f"it is cut short or another kind of file ({size} bytes, the header alone claims {length})"
        )
    entries = _json_object(file.read(length))
    metadata = entries.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _MalformedError("its metadata is not a map of strings")
    specs = {name: _spec(name, entry) for name, entry in entries.items()}
    ordered = dict(sorted(specs.items(), key=lambda item: (item[1].begin, item[1].end, item[0])))
    _check_gapless(ordered, size - _LENGTH_BYTES - length)
    return Header(metadata, ordered, size)


def _json_object(text: bytes) -> dict[str, Any]:
    if not text.startswith(b"{"):
        raise _MalformedError("it is another kind of file")
    try:
        parsed: dict[str, Any] = strictjson.loads(text)
    except ValueError as error:
        raise _MalformedError(f"its header is not JSON as it should be ({one_line(str(error))[:80]})") from error
    return parsed


def _spec(name: str, entry: Any) -> TensorSpec:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end], **rest} if not rest:
            pass
        case _:
            raise _MalformedError(f"its tensor {quoted(name)} is not described by dtype, shape and data_offsets")
    if dtype not in ITEM_BYTES:
        raise _MalformedError(f"its tensor {quoted(name)} has the unknown dtype {quoted(dtype)}")
    if not all(type(number) is int and 0 <= number < 2**63 for number in (*shape, begin, end)):
        raise _MalformedError(f"its tensor {quoted(name)} has a shape or a place that is not made of natural numbers")
    # Without its zeros: torch multiplies the other axes too, and there they may be too large.
    if len(shape) > MAX_AXES or math.prod(filter(None, shape)) >= 2**63:
        raise _MalformedError(f"its tensor {quoted(name)} has more axes or numbers than any tensor")
    if math.prod(shape) * ITEM_BYTES[dtype] != end - begin:
        raise _MalformedError(f"its tensor {quoted(name)} has a shape that does not fill its place")
    return TensorSpec(dtype, tuple(shape), begin, end)


def _check_gapless(ordered: Mapping[str, TensorSpec], data_bytes: int) -> None:
    position = 0
    for name, spec in ordered.items():
        if spec.begin != position:
            raise _MalformedError(f"its tensor {quoted(name)} leaves a gap or overlaps another one")
        position = spec.end
    if position > data_bytes:
        raise _MalformedError(f"it is cut short ({data_bytes} of {position} bytes of data)")
    if position < data_bytes:
        raise _MalformedError(f"{data_bytes - position} bytes at its end belong to no tensor")


# Writing: equal content gives equal bytes (the library's own writer orders metadata at random).


def layout(shapes: Mapping[str, tuple[str, Iterable[int]]]) -> dict[str, TensorSpec]:
    """Places for tensors given as (dtype, shape): widest dtype first, so that each is aligned to its width."""
    specs: dict[str, TensorSpec] = {}
    begin = 0
    for name in sorted(shapes, key=lambda name: (-ITEM_BYTES[shapes[name][0]], name)):
        dtype, shape = shapes[name][0], tuple(shapes[name][1])
        end = begin + math.prod(shape) * ITEM_BYTES[dtype]
        specs[name] = TensorSpec(dtype, shape, begin, end)
        begin = end
    return specs


def encode(metadata: Mapping[str, str], specs: Mapping[str, TensorSpec]) -> bytes:
    """The bytes before the data: metadata by key, tensors as `layout` ordered them, padded to 8 bytes with spaces."""
    entries: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    for name, spec in specs.items():
        entries[name] = {"dtype": spec.dtype, "shape": spec.shape, "data_offsets": (spec.begin, spec.end)}
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write named tensors of any shape, strides and device, whole or not at all.

    Raises TensorDtypeError for complex, quantized or 8-bit floating tensors, FileWriteError where `path` cannot be
    written.
    """
    specs = _specs(tensors)

    def chunks() -> Iterator[bytes | memoryview]:
        yield encode(metadata, specs)
        for name in specs:
            yield _bytes(tensors[name])

    write_atomic(path, chunks())


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the CPU, memory mapped: pages are read when used) and the metadata, without its seal.

    Raises TensorFileError for what is no whole safetensors file.
    """
    header = read_header(path)
    from safetensors import SafetensorError  # with torch, seconds to import
    from safetensors.torch import load_file

    try:
        return load_file(path), {key: value for key, value in header.metadata.items() if key != SEAL}
    except (SafetensorError, OSError, RuntimeError) as error:  # torch's own, for shapes that it cannot have
        raise TensorFileError(path, quoted(one_line(str(error)), 200)) from error


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of a tensor that holds NaN or an infinite number; None where all numbers are finite."""
    import torch

    return next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)


def _specs(tensors: Mapping[str, Tensor]) -> dict[str, TensorSpec]:
    dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()}
    for name, dtype in dtypes.items():
        if dtype not in _NAMES:
            raise TensorDtypeError(name, dtype)
    return layout({name: (_NAMES[dtypes[name]], tensor.shape) for name, tensor in tensors.items()})


def _bytes(tensor: Tensor) -> memoryview:
    import torch

    # numpy has no bfloat16, so every tensor leaves torch as plain bytes. Flat first: a scalar has no last axis to view.
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


# Hashes: of headers (their seal), of data (`modelspec.hash_sha256` of ModelSpec 1.0.1,
# https://github.com/Stability-AI/ModelSpec), and of whole files.


def sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with a hash of the whole header of a file of these tensors, which `is_broken` compares."""
    return {**metadata, SEAL: seal(metadata, _specs(tensors))}


def seal(metadata: Mapping[str, str], specs: Mapping[str, TensorSpec]) -> str:
    """SHA-256 (hex) of a header without its seal: of the bytes that `encode` makes of it."""
    return hashlib.sha256(encode({key: value for key, value in metadata.items() if key != SEAL}, specs)).hexdigest()


def with_metadata(path: Path, more: Mapping[str, str]) -> bytes:
    """The bytes of a file with more in its metadata, sealed anew; the tensors' bytes stay. TensorFileError."""
    header = read_header(path)
    metadata = {key: value for key, value in {**header.metadata, **more}.items() if key != SEAL}
    with path.open("rb") as file:
        file.seek(header.file_bytes - max((spec.end for spec in header.tensors.values()), default=0))
        return encode({**metadata, SEAL: seal(metadata, header.tensors)}, header.tensors) + file.read()


def is_broken(header: Header) -> bool:
    """Whether a header is not what was saved; one that never had a seal may be anything."""
    if SEAL not in header.metadata:
        return False
    try:
        return header.metadata[SEAL] != seal(header.metadata, header.tensors)
    except UnicodeEncodeError:  # JSON can spell halves of characters, which no file of ours has
        return True


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """`0x` and the SHA-256 over the bytes that `write` puts after the header."""
    digest = hashlib.sha256()
    for name in _specs(tensors):
        digest.update(_bytes(tensors[name]))
    return f"0x{digest.hexdigest()}"


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """`content_hash` in plain hex, as all our texts have hashes: the `0x` is ModelSpec's."""
    return content_hash(tensors).removeprefix("0x")


def data_hash(path: Path, header: Header) -> str:
    """`0x` and the SHA-256 of what follows a file's header, without torch; TensorFileError.

    Equal to `content_hash` of the tensors of a file that we wrote.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            file.seek(header.file_bytes - max((spec.end for spec in header.tensors.values()), default=0))
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise TensorFileError(path, error.strerror or str(error)) from error
    return f"0x{digest.hexdigest()}"


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


HASH = "modelspec.hash_sha256"  # of the tensors
_TENSORS, _HEADER = "tensors are not the ones that were", "header is not the one that was"


class StoredFileError(LfsganError):
    """A file that is damaged, or not of the kind that was expected.

    kind, command: what the file should be, and what makes such files. way_out: of damage. damage: in the message
    "its … saved", where the file is not what was saved; else `reason` says what is wrong.
    """

    kind: ClassVar[str]
    command: ClassVar[str]
    way_out: ClassVar[str]

    def __init__(self, path: Path, reason: str = "", *, damage: str = "") -> None:
        wrong = f"is not a usable {self.kind}: {reason}; expected a file made by `lfsgan {self.command}`"
        super().__init__(f"{str(path)!r} {f'is damaged: its {damage} saved; {self.way_out}' if damage else wrong}")


def read_tensors(path: Path, error: type[StoredFileError]) -> dict[str, Tensor]:
    """All tensors of a file, once they have the hash that its header names and hold finite numbers only."""
    tensors, metadata = read(path)
    if content_hash(tensors) != metadata[HASH]:
        raise error(path, damage=_TENSORS)
    if (name := not_finite(tensors)) is not None:
        raise error(path, f"its tensor {quoted(name)} holds numbers that are not finite")
    return tensors


def check_bytes(path: Path, error: type[StoredFileError]) -> None:
    """Raise where the tensors' bytes are not those that the header names; without torch."""
    header = read_header(path)
    if data_hash(path, header) != header.metadata[HASH]:
        raise error(path, damage=_TENSORS)


def check_header(path: Path, header: Header, error: type[StoredFileError]) -> None:
    """Raise where the header is not the one that was saved."""
    if is_broken(header):
        raise error(path, damage=_HEADER)


def check_metadata(
    path: Path, metadata: Mapping[str, str], keys: Iterable[str], names: Iterable[str], error: type[StoredFileError]
) -> None:
    """Raise where one of the `keys` is missing, or where the value under one of `names` cannot be printed as a name."""
    for key in keys:
        if key not in metadata:
            raise error(path, f"its header lacks {key!r}")
    for key in names:
        if not is_presentable(metadata[key]):
            raise error(path, f"{key!r} in its header is not a name, but {quoted(metadata[key])}")


def read_object(path: Path, metadata: Mapping[str, str], key: str, error: type[StoredFileError]) -> dict[str, Any]:
    """The JSON object under a key of the header."""
    try:
        value = strictjson.loads(metadata[key])
    except ValueError as wrong:
        raise error(path, f"{key!r} in its header is not JSON") from wrong
    if not isinstance(value, dict):
        raise error(path, f"{key!r} in its header is not a JSON object")
    return value


def json_text(value: Mapping[str, Any]) -> str:
    """JSON for a header: equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
