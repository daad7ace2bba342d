"""The last two checkpoints of a training run: written whole, named by their step, and checked when they are read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io import safetensors
from lfsgan_cli.workspace.paths import RUN

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2  # the newest, and the one before in case the newest is damaged
FORMAT = "state/2"

_NAME = re.compile(r"state(\d{6,18})\.safetensors")
_FORMAT_KEY, _SEAL_KEY = "lfsgan.format", "lfsgan.seal"


class UnusableStateError(LfsganError):
    """A checkpoint that this program cannot resume from."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"cannot resume from {str(path)!r}: it is damaged, or another version of lfsgan wrote it; "
            "start again with --overwrite instead of --resume"
        )


class StoredCheckpoint(NamedTuple):
    """A checkpoint that was read. skipped: newer ones that are damaged."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    skipped: tuple[Path, ...]


def paths(folder: Path) -> list[Path]:
    """The files of all checkpoints, the newest first; none where there is no such folder."""
    found = [path for path in folder.glob("state*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """How many steps were done when a checkpoint was written."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise UnusableStateError(path)
    return int(match[1])


def write(folder: Path, done: int, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a checkpoint after `done` steps; FileWriteError leaves all that were there.

    Once it is whole, later ones, which will come again, and all earlier ones but one are removed.
    """
    about = {**metadata, "format": "pt", _FORMAT_KEY: FORMAT}
    safetensors.write(folder / f"state{done:06}.safetensors", tensors, {**about, _SEAL_KEY: _seal(tensors, about)})
    known = paths(folder)
    earlier = [path for path in known if step_of(path) <= done]
    for path in {*known} - {*earlier[:KEPT]}:
        path.unlink(missing_ok=True)


def newest(folder: Path) -> StoredCheckpoint:
    """The newest checkpoint that is undamaged. There must be one, damaged or not.

    UnusableStateError or TensorFileError, which names the newest, if all are damaged.
    """
    damaged: dict[Path, LfsganError] = {}
    for path in paths(folder):
        try:
            return StoredCheckpoint(path, *read(path), tuple(damaged))
        except (UnusableStateError, safetensors.TensorFileError) as error:
            damaged[path] = error
    raise next(iter(damaged.values()))


def drop(folder: Path, keep: int = 0) -> None:
    """Remove all checkpoints but the newest `keep`, the oldest first, so that a run can resume from what is left."""
    for path in reversed(paths(folder)[keep:]):
        path.unlink(missing_ok=True)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds an unfinished run: it has a checkpoint and no `run.json`."""
    return bool(paths(folder)) and not (folder / RUN).exists()


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of one checkpoint; UnusableStateError or TensorFileError if it is damaged."""
    tensors, metadata = safetensors.read(path)
    seal = metadata.pop(_SEAL_KEY, "")
    if metadata.get(_FORMAT_KEY) != FORMAT or seal != _seal(tensors, metadata):
        raise UnusableStateError(path)
    return tensors, metadata


def _seal(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 (hex) of a whole checkpoint: the metadata, and each tensor's name, dtype, shape and bytes."""
    shapes = {name: (str(tensor.dtype), list(tensor.shape)) for name, tensor in tensors.items()}
    content = json.dumps([metadata, shapes, safetensors.content_hash(tensors)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
