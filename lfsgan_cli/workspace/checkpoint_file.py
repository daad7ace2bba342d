"""The last two states of a training run on disk: written whole, named by their step, and checked when they are read."""

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

KEPT = 2  # the newest, and the one before should the newest be damaged
FORMAT = "state/2"

_NAME = re.compile(r"state(\d{6,18})\.safetensors")
_FORMAT_KEY, _SEAL_KEY = "lfsgan.format", "lfsgan.seal"


class UnusableStateError(LfsganError):
    """A checkpoint that this program cannot resume from."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"cannot go on from {str(path)!r}: it is damaged, or another version of lfsgan kept it; "
            "start again with --overwrite instead of --resume"
        )


class StoredCheckpoint(NamedTuple):
    """A state that was read. passed_over: newer ones that are damaged."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    passed_over: tuple[Path, ...]


def paths(folder: Path) -> list[Path]:
    """The files of all checkpoints, the newest first; none where there is no such folder."""
    found = [path for path in folder.glob("state*.safetensors") if _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of, reverse=True)


def step_of(path: Path) -> int:
    """How many steps were done when a state was kept."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise UnusableStateError(path)
    return int(match[1])


def write(folder: Path, done: int, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Keep the state after `done` steps beside the one before; FileWriteError leaves all that were there.

    Later ones, which will come again, and older ones are removed once this one is whole.
    """
    about = {**metadata, "format": "pt", _FORMAT_KEY: FORMAT}
    safetensors.write(folder / f"state{done:06}.safetensors", tensors, {**about, _SEAL_KEY: _seal(tensors, about)})
    known = paths(folder)
    earlier = [path for path in known if step_of(path) <= done]
    for path in {*known} - {*earlier[:KEPT]}:
        path.unlink(missing_ok=True)


def newest(folder: Path) -> StoredCheckpoint:
    """The newest state that is whole, to the last bit; there must be one, damaged or not.

    UnusableStateError or TensorFileError, which names the newest, where none is.
    """
    damaged: dict[Path, LfsganError] = {}
    for path in paths(folder):
        try:
            return StoredCheckpoint(path, *read(path), tuple(damaged))
        except (UnusableStateError, safetensors.TensorFileError) as error:
            damaged[path] = error
    raise next(iter(damaged.values()))


def drop(folder: Path, keep: int = 0) -> None:
    """Remove all checkpoints but the newest `keep`, the oldest first: what is left is what a run can resume from."""
    for path in reversed(paths(folder)[keep:]):
        path.unlink(missing_ok=True)


def is_unfinished(folder: Path) -> bool:
    """Whether a run was begun in a folder and has not come to its end: it has a checkpoint and no `run.json`."""
    return bool(paths(folder)) and not (folder / RUN).exists()


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of one state; UnusableStateError or TensorFileError where it is not whole."""
    tensors, metadata = safetensors.read(path)
    seal = metadata.pop(_SEAL_KEY, "")
    if metadata.get(_FORMAT_KEY) != FORMAT or seal != _seal(tensors, metadata):
        raise UnusableStateError(path)
    return tensors, metadata


def _seal(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 (hex) over all that a state says: the metadata, and every tensor's name, type, shape and bytes."""
    shapes = {name: (str(tensor.dtype), list(tensor.shape)) for name, tensor in tensors.items()}
    told = json.dumps([metadata, shapes, safetensors.content_hash(tensors)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
