"""Recognises a file of networks by its content, never by its name, and reads it: a checkpoint, or one sentence why not.

Nothing in a file is ever executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lfsgan_cli.checkpoints import nvidia, rosinality, torch_file
from lfsgan_cli.checkpoints.checkpoint import Checkpoint, CheckpointError
from lfsgan_cli.errors import one_line, quoted
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.files import open_plain
from lfsgan_cli.workspace import base_file, task_file
from lfsgan_cli.workspace.base_file import Base

_PICKLE = b"\x80"  # of every pickle since 2003 (protocol 2)
_PARTS = {rosinality.AVERAGE, rosinality.LIVE, rosinality.DISCRIMINATOR, "G_ema", "G", "D"}
_BASE, _TASK = base_file.FORMAT.partition("/")[0], task_file.FORMAT.partition("/")[0]
_STRANGERS = (  # a piece of a name that only they have; what they are; what to do
    (
        "weight_modulation",
        "is a task file of the public LFS-GAN, not a base",
        "import it with `lfsgan tasks import` on the base that it was learned on",
    ),
    (
        "synthesis.L0_",
        "is a StyleGAN3 network, whose layers are not StyleGAN2's",
        "take one of the StyleGAN2 models beside it",
    ),
    (
        "to_style1",
        "is a model of lucidrains' stylegan2_pytorch, another architecture",
        "its weights have no place in a StyleGAN2: train with rosinality's code, or take NVIDIA's models",
    ),
)


class UnknownFileError(CheckpointError):
    """A file of another kind."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            path,
            what,
            "expected a base of lfsgan, a checkpoint in rosinality's layout (.pt, .safetensors) or NVIDIA's .pkl",
        )


def read(path: Path) -> Checkpoint:
    """The networks in a file; CheckpointError, TensorFileError or BaseFileError in one line where it holds none.

    Known are bases of lfsgan, rosinality's layout in torch files (zip or legacy) and in safetensors, NVIDIA's pickles.
    """
    found = _read(path)
    for state in (found.average, found.live, found.discriminator, {"w_mean": found.w_mean}):
        if name := _not_finite(state or {}):
            raise CheckpointError(path, f"has numbers in {quoted(name)} that are not finite", "take an undamaged copy")
    return found


def _read(path: Path) -> Checkpoint:
    head = _head(path)
    torch_file.check_kind(path, head)
    if torch_file.is_torch(head):
        document = torch_file.load(path)
        torch_file.check_distinct(path, _tensors(document))
        return _from_document(path, document)
    if head[8:9] == b"{":
        return _from_safetensors(path)
    if head.startswith(_PICKLE):
        return nvidia.read(path)
    raise UnknownFileError(path, "is empty" if not head else "holds no network that lfsgan knows")


def _not_finite(state: Mapping[str, Tensor | None]) -> str | None:
    return safetensors.not_finite({name: tensor for name, tensor in state.items() if tensor is not None})


def _head(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            return file.read(torch_file.HEAD_BYTES)
    except OSError as error:
        raise CheckpointError(path, f"cannot be read: {error.strerror or error}", "name a file of networks") from error


def _from_safetensors(path: Path) -> Checkpoint:
    kind = safetensors.read_header(path).metadata.get("lfsgan.format", "").partition("/")[0]
    if kind == _BASE:
        return _from_base(path)
    if kind == _TASK:
        raise CheckpointError(
            path, "is a task file of lfsgan, not a base", "put it into the folder `tasks` of its base's workspace"
        )
    tensors, _ = safetensors.read(path)
    return _from_document(path, _parts(tensors))


def _from_base(path: Path) -> Checkpoint:
    base = Base.open(path)
    average, live = (
        {name: tensor for name, tensor in network.state_dict().items() if name != "w_mean"}
        for network in (base.average, base.live)
    )
    return Checkpoint(
        kind=f"lfsgan's, named {base.name!r}",
        config=base.average.config,
        average=average,
        live=live,
        discriminator=base.discriminator.state_dict(),
        w_mean=base.average.w_mean,
    )


def _parts(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """Names joined by dots taken apart: `g_ema.conv1…` as `conv1…` in `g_ema`; a bare state stays as it is."""
    parts: dict[str, Any] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part in _PARTS and rest:
            parts.setdefault(part, {})[rest] = tensor
        else:
            parts[name] = tensor
    return parts


def _from_document(path: Path, document: Any) -> Checkpoint:
    if not isinstance(document, Mapping):
        raise UnknownFileError(path, f"holds a {type(document).__name__}, no networks")
    if rosinality.is_checkpoint(document):
        return rosinality.from_document(path, document)
    if nvidia.is_checkpoint(document):
        return nvidia.from_document(path, document)
    names = list(_names(document))
    for mark, what, out in _STRANGERS:
        if any(mark in name for name in names):
            raise CheckpointError(path, what, out)
    shown = ", ".join(sorted(names)[:3])
    raise UnknownFileError(
        path, f"holds nothing that lfsgan knows (its first names: {one_line(shown)[:200] or 'none'})"
    )


def _tensors(document: Any) -> Iterator[Tensor]:
    """Those of a bare state, and of the parts that are networks."""
    parts = document if isinstance(document, Mapping) else {}
    for state in (parts, *(parts.get(name) for name in (*_PARTS, "state_dict"))):
        yield from (value for value in (state.values() if isinstance(state, Mapping) else ()) if _is_numbers(value))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, Tensor) and torch_file.is_plain(value)


def _names(document: Mapping[Any, Any], prefix: str = "", depth: int = 2) -> Any:
    """The names of a document and of the dicts in it."""
    for name, value in document.items():
        yield f"{prefix}{name}"
        if depth and isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{name}.", depth - 1)
