"""Finds the weights that are too large to bring along: given by path, in the cache, or downloaded into it.

No byte is used before the SHA-256 of the whole file has matched, since a TorchScript file is a program.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import cache_folder, read_plain

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 60  # seconds without a byte
MOST_BYTES = 1 << 30  # of a file of weights; the largest, VGG16's, has 0.6 GB


@dataclass(frozen=True)
class Weights:
    """A published file: its name in the cache, what it must be, where it is published, the option that gives a path."""

    name: str
    sha256: str
    url: str
    option: str


class MissingWeightsError(LfsganError):
    """Weights that are not on this machine, and that may not be fetched."""

    def __init__(self, weights: Weights, path: Path) -> None:
        super().__init__(
            f"{str(path)!r} is not there, and downloads are off; put {weights.url} (SHA-256 {weights.sha256}) there, "
            f"or name such a file with {weights.option}"
        )


class WrongWeightsError(LfsganError):
    """A file that is not the one expected; nothing of it was used."""

    def __init__(self, weights: Weights, place: str, found: str) -> None:
        super().__init__(
            f"{place!r} has SHA-256 {found}, expected {weights.sha256}; nothing of it was used: put "
            f"{weights.url} in its place, or name another file with {weights.option}"
        )


class UnreadableWeightsError(LfsganError):
    """A file of weights that cannot be opened."""

    def __init__(self, weights: Weights, path: Path, cause: OSError) -> None:
        reason = cause.strerror or cause
        super().__init__(f"cannot read {str(path)!r}: {reason}; expected {weights.name}, from {weights.url}")


class DownloadError(LfsganError):
    """A download that did not end well; the cache is as it was."""

    def __init__(self, weights: Weights, path: Path, cause: Exception) -> None:
        super().__init__(
            f"cannot fetch {weights.url} to {str(path)!r}: {cause}; "
            f"fetch it by other means and name the file with {weights.option}"
        )


def cached(weights: Weights) -> Path:
    """Where the cache has the weights, or would have them."""
    return cache_folder() / weights.name


def read(weights: Weights, path: Path) -> bytes:
    """The file's bytes, the same that were checked: WrongWeightsError, UnreadableWeightsError."""
    try:
        data = read_plain(path, MOST_BYTES)
    except OSError as error:
        raise UnreadableWeightsError(weights, path, error) from error
    _check(weights, str(path), hashlib.sha256(data).hexdigest())
    return data


def locate(weights: Weights, given: Path | None = None, *, offline: bool) -> Path:
    """The path given, else the cache's, where the weights are put first unless `offline`.

    Raises:
        MissingWeightsError: offline, and not in the cache.
        DownloadError, WrongWeightsError: the download failed, or brought something else.
    """
    path = given or cached(weights)
    if given or path.exists():
        return path
    if offline:
        raise MissingWeightsError(weights, path)
    return download(weights)


def download(weights: Weights) -> Path:
    """Fetch the weights into the cache; they are put under their name when complete and checked. Returns the path."""
    path = cached(weights)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(weights.url, timeout=_TIMEOUT) as source:  # noqa: S310 - our constants alone
            _put(weights, source, path)
    except (OSError, HTTPException) as error:  # URLError and time-outs are OSErrors
        raise DownloadError(weights, path, error) from error
    return path


def _put(weights: Weights, source: IO[bytes], path: Path) -> None:
    digest = hashlib.sha256()
    descriptor, partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in _chunks(source):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        _check(weights, weights.url, digest.hexdigest())
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk


def _check(weights: Weights, place: str, found: str) -> None:
    if found != weights.sha256:
        raise WrongWeightsError(weights, place, found)
