"""Hashes of files as they lie on disk, without torch."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lfsgan_cli.tensorheader import Header, TensorFileError

_CHUNK = 1 << 20  # bytes


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes; OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_hash(path: Path, header: Header) -> str:
    """`0x` and the SHA-256 of what follows a safetensors file's header; TensorFileError.

    That is `modelspec.hash_sha256`, and equal to `tensorfile.content_hash` of the tensors of a file that we wrote.
    """
    digest = hashlib.sha256()
    try:
        for chunk in _data(path, header):
            digest.update(chunk)
    except OSError as error:
        raise TensorFileError(path, error.strerror or str(error)) from error
    return f"0x{digest.hexdigest()}"


def _data(path: Path, header: Header) -> Iterator[bytes]:
    length = max((spec.end for spec in header.tensors.values()), default=0)
    with path.open("rb") as file:
        file.seek(header.file_bytes - length)
        while chunk := file.read(_CHUNK):
            yield chunk
