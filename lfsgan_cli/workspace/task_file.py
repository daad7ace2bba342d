"""What a task's file holds: the header that rebuilds its adapter and names its base, and the learned tensors."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError, is_presentable, quoted
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import SEAL, data_hash

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "task/1"
W_MEAN = "w_mean"
WAY_OUT = "get the file again, or learn or import the task again with --overwrite"
_HASH = "modelspec.hash_sha256"  # of the tensors
_ADAPTER_TENSORS = ("weights.", "features.")
_OWN_KEYS = {f"lfsgan.{key}" for key in ("format", "adapter", "adapter_version", "config", "base", "training")}


class TaskFileError(LfsganError):
    """A task's file that is damaged or not made by this program."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} is not a usable task: {reason}; expected a file made by `lfsgan learn-task`")


class DamagedTaskError(TaskFileError):
    """A task's file that is not what was saved."""

    def __init__(self, path: Path, what: str = "tensors are not the ones that were") -> None:
        LfsganError.__init__(self, f"{str(path)!r} is damaged: its {what} saved; {WAY_OUT}")


class NotATaskError(LfsganError):
    """A safetensors file that holds something else."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{str(path)!r} holds {found}, not a task; expected a file made by `lfsgan learn-task`")


class NewerTaskError(LfsganError):
    """A task's file that a later version of the program made."""

    def __init__(self, path: Path, version: str) -> None:
        super().__init__(
            f"{str(path)!r} is in the format {quoted(version)}, this lfsgan reads {FORMAT!r}; "
            "upgrade with `pip install --upgrade lfsgan`"
        )


@dataclass(frozen=True)
class BaseInfo:
    """The base that a task was learned on: identity (SHA-256 in hex), name, and the network's configuration as JSON."""

    identity: str
    name: str
    network: dict[str, Any]


@dataclass(frozen=True)
class TaskInfo:
    """All that a task's header says; `config` is the adapter's, `training` tells how it was learned (both as JSON)."""

    name: str
    adapter: str
    adapter_version: str
    config: dict[str, Any]
    base: BaseInfo
    training: dict[str, Any]


@dataclass(frozen=True)
class TaskSummary:
    """A task without its tensors: the header, the number of learned parameters, the size of the file in bytes."""

    info: TaskInfo
    parameters: int
    file_bytes: int


def write(path: Path, info: TaskInfo, tensors: Mapping[str, "Tensor"]) -> None:
    """Write a task: the adapter's tensors (`weights.…`, `features.…`) and `w_mean`. Equal tasks give equal bytes."""
    _check_tensors(path, tensors)
    metadata = _metadata(info, safetensors.content_hash(tensors))
    safetensors.write(path, tensors, safetensors.sealed(tensors, metadata))


def read_summary(path: Path) -> TaskSummary:
    """What the header alone tells, without torch; raises as `read` does, but for damage to the tensors' values."""
    header = safetensors.read_header(path)
    info = _info(path, header.metadata)
    _check_tensors(path, header.tensors)
    if safetensors.is_broken(header):
        raise DamagedTaskError(path, "header is not the one that was")
    learned = [spec for name, spec in header.tensors.items() if name != W_MEAN]
    return TaskSummary(info, sum(math.prod(spec.shape) for spec in learned), header.file_bytes)


def read_info(path: Path) -> TaskInfo:
    """The header's content, without torch; raises as `read_summary` does."""
    return read_summary(path).info


def read(path: Path) -> tuple[TaskInfo, dict[str, "Tensor"]]:
    """The whole task, its tensors on the CPU and checked against their hash.

    Raises TensorFileError for what is no safetensors file, NotATaskError for a base or a foreign file, NewerTaskError
    for a format of the future, TaskFileError for damage.
    """
    info = read_info(path)
    tensors, metadata = safetensors.read(path)
    if safetensors.content_hash(tensors) != metadata[_HASH]:
        raise DamagedTaskError(path)
    if (name := safetensors.not_finite(tensors)) is not None:
        raise TaskFileError(path, f"its tensor {quoted(name)} holds numbers that are not finite")
    return info, tensors


def verify(path: Path) -> TaskInfo:
    """The header's content, once the tensors' bytes are those that it names; without torch; raises as `read` does."""
    info, header = read_info(path), safetensors.read_header(path)
    if data_hash(path, header) != header.metadata[_HASH]:
        raise DamagedTaskError(path)
    return info


def _metadata(info: TaskInfo, content_hash: str) -> dict[str, str]:
    resolution = info.base.network["resolution"]
    return {
        "format": "pt",  # how transformers and others know that the tensors are torch's
        "lfsgan.format": FORMAT,
        "lfsgan.adapter": info.adapter,
        "lfsgan.adapter_version": info.adapter_version,
        "lfsgan.config": _json(info.config),
        "lfsgan.base": _json(asdict(info.base)),
        "lfsgan.training": _json(info.training),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"stylegan2-{resolution}/{info.adapter}",
        "modelspec.implementation": "lfsgan",
        "modelspec.title": info.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        _HASH: content_hash,
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _info(path: Path, metadata: Mapping[str, str]) -> TaskInfo:
    _check_format(path, metadata.get("lfsgan.format"))
    _check_keys(path, metadata)
    return TaskInfo(
        name=metadata["modelspec.title"],
        adapter=metadata["lfsgan.adapter"],
        adapter_version=metadata["lfsgan.adapter_version"],
        config=_object(path, metadata, "lfsgan.config"),
        base=_base(path, _object(path, metadata, "lfsgan.base")),
        training=_object(path, metadata, "lfsgan.training"),
    )


def _check_format(path: Path, found: str | None) -> None:
    kind, _, version = (found or "").partition("/")
    if found is None:
        raise NotATaskError(path, "tensors of another program")
    if kind != "task":
        raise NotATaskError(path, "a base" if kind == "base" else quoted(found))
    if found != FORMAT:
        known = version.isdecimal()
        raise NewerTaskError(path, found) if known else TaskFileError(path, f"its format is {quoted(found)}")


def _check_keys(path: Path, metadata: Mapping[str, str]) -> None:
    for key in sorted({*_OWN_KEYS, "modelspec.title", _HASH} - metadata.keys()):
        raise TaskFileError(path, f"its header lacks {key!r}")
    for key in sorted(key for key in metadata.keys() - _OWN_KEYS - {SEAL} if key.startswith("lfsgan.")):
        raise TaskFileError(path, f"its header has the unknown key {quoted(key)}")
    for key in ("modelspec.title", "lfsgan.adapter", "lfsgan.adapter_version"):
        if not is_presentable(metadata[key]):
            raise TaskFileError(path, f"{key!r} in its header is no name, but {quoted(metadata[key])}")


def _object(path: Path, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        value = strictjson.loads(metadata[key])
    except ValueError as error:
        raise TaskFileError(path, f"{key!r} in its header is not JSON") from error
    if not isinstance(value, dict):
        raise TaskFileError(path, f"{key!r} in its header is not a JSON object")
    return value


def _base(path: Path, value: dict[str, Any]) -> BaseInfo:
    match value:
        case {"identity": str(identity), "name": str(name), "network": dict(network), **rest} if (
            not rest and is_presentable(identity) and is_presentable(name)
        ):
            return BaseInfo(identity, name, network)
    raise TaskFileError(path, "'lfsgan.base' in its header is not an identity, a name and a network")


def _check_tensors(path: Path, names: Iterable[str]) -> None:
    known = list(names)
    if W_MEAN not in known:
        raise TaskFileError(path, f"the tensor {W_MEAN!r} is missing")
    for name in known:
        if name != W_MEAN and not name.startswith(_ADAPTER_TENSORS):
            raise TaskFileError(path, f"the tensor {quoted(name)} belongs to no adapter")
