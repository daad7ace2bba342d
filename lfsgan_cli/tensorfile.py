"""Writes and reads safetensors files, such that equal content gives equal bytes (the library's own writer does not)."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import write_atomic
from lfsgan_cli.tensorheader import (
    SEAL,
    Header,
    TensorFileError,
    TensorSpec,
    encode,
    is_broken,
    layout,
    read_header,
    seal,
)
from lfsgan_cli.wording import one_line, quoted

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Header",
    "TensorDtypeError",
    "TensorFileError",
    "TensorSpec",
    "content_hash",
    "is_broken",
    "not_finite",
    "read",
    "read_header",
    "sealed",
    "write",
]

_NAMES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "bfloat16": "BF16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
}  # fmt: skip


class TensorDtypeError(LfsganError):
    """A tensor of a type that the files do not hold."""

    def __init__(self, name: str, dtype: str) -> None:
        super().__init__(f"tensor {quoted(name)} has the dtype {dtype}, expected one of {', '.join(_NAMES)}")


def write(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]) -> None:
    """Write named tensors of any shape, strides and device, whole or not at all.

    Raises TensorDtypeError for complex, quantized or 8-bit floating tensors, FileWriteError where `path` cannot be
    written.
    """
    specs = _specs(tensors)
    write_atomic(path, _chunks(encode(metadata, specs), specs, tensors))


def read(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """The tensors (on the CPU, memory mapped: pages are read when used) and the metadata, but for its seal.

    Raises TensorFileError for what is no whole safetensors file.
    """
    header = read_header(path)
    from safetensors import SafetensorError  # as below: seconds to import
    from safetensors.torch import load_file

    try:
        return load_file(path), {key: value for key, value in header.metadata.items() if key != SEAL}
    except (SafetensorError, OSError, RuntimeError) as error:  # torch's own, for shapes that it cannot have
        raise TensorFileError(path, quoted(one_line(str(error)), 200)) from error


def sealed(tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str]) -> dict[str, str]:
    """`metadata` with a hash of the whole header of a file of these tensors, which `is_broken` compares."""
    return {**metadata, SEAL: seal(metadata, _specs(tensors))}


def content_hash(tensors: Mapping[str, "Tensor"]) -> str:
    """`0x` and the SHA-256 over the bytes that `write` puts after the header.

    That is `modelspec.hash_sha256` of ModelSpec 1.0.1, https://github.com/Stability-AI/ModelSpec.
    """
    digest = hashlib.sha256()
    for name in _specs(tensors):
        digest.update(_bytes(tensors[name]))
    return f"0x{digest.hexdigest()}"


def not_finite(tensors: Mapping[str, "Tensor"]) -> str | None:
    """The name of a tensor that holds NaN or an infinite number; None where all numbers are finite."""
    import torch

    return next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)


def _specs(tensors: Mapping[str, "Tensor"]) -> dict[str, TensorSpec]:
    return layout({name: (_dtype(name, tensor), tensor.shape) for name, tensor in tensors.items()})


def _dtype(name: str, tensor: "Tensor") -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _NAMES:
        raise TensorDtypeError(name, dtype)
    return _NAMES[dtype]


def _chunks(
    header: bytes, specs: Mapping[str, TensorSpec], tensors: Mapping[str, "Tensor"]
) -> Iterator[bytes | memoryview]:
    yield header
    for name in specs:
        yield _bytes(tensors[name])


def _bytes(tensor: "Tensor") -> memoryview:
    import torch

    # numpy has no bfloat16, so every tensor leaves torch as plain bytes. Flat first: a scalar has no last axis to view.
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
