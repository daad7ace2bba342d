"""Features kept between runs, each under the hash of what they were computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from lfsgan_cli import tensorfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import FileWriteError
from lfsgan_cli.metrics.weights import cache_folder

KEY = "lfsgan.key"
HASH = "modelspec.hash_sha256"


def remembered(key: Mapping[str, Any], compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors that `compute` gives, taken from the cache where a run with an equal key left them.

    key: everything that the result depends on, as JSON. A file that is damaged is replaced.
    """
    text = json.dumps(key, sort_keys=True)
    path = folder() / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    known = _kept(path, text)
    if known is not None:
        return known
    fresh = compute()
    with suppress(OSError, FileWriteError):  # a cache that cannot be written costs time alone
        path.parent.mkdir(parents=True, exist_ok=True)
        tensorfile.write(path, fresh, {"format": "pt", KEY: text, HASH: tensorfile.content_hash(fresh)})
    return fresh


def folder() -> Path:
    """Where the files are; may be deleted at any time."""
    return cache_folder() / "features"


def _kept(path: Path, key: str) -> Mapping[str, Tensor] | None:
    try:
        tensors, metadata = tensorfile.read(path)
        content = tensorfile.content_hash(tensors)
    except LfsganError:  # no safetensors file, or of types that nothing here writes
        return None
    intact = metadata.get(HASH) == content and tensorfile.not_finite(tensors) is None
    return tensors if intact and metadata.get(KEY) == key else None
