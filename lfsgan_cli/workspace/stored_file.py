"""What the files of bases and tasks have in common: how damage is found and worded, and JSON in their headers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lfsgan_cli.errors import LfsganError, is_presentable, quoted
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io import safetensors

if TYPE_CHECKING:
    from torch import Tensor

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
    tensors, metadata = safetensors.read(path)
    if safetensors.content_hash(tensors) != metadata[HASH]:
        raise error(path, damage=_TENSORS)
    if (name := safetensors.not_finite(tensors)) is not None:
        raise error(path, f"its tensor {quoted(name)} holds numbers that are not finite")
    return tensors


def check_bytes(path: Path, error: type[StoredFileError]) -> None:
    """Raise where the tensors' bytes are not those that the header names; without torch."""
    header = safetensors.read_header(path)
    if safetensors.data_hash(path, header) != header.metadata[HASH]:
        raise error(path, damage=_TENSORS)


def check_header(path: Path, header: safetensors.Header, error: type[StoredFileError]) -> None:
    """Raise where the header is not the one that was saved."""
    if safetensors.is_broken(header):
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
