"""What a task's file holds: the header that rebuilds its adapter and names its base, and the learned tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lfsgan_cli.errors import LfsganError, is_presentable, quoted
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import (
    HASH,
    SEAL,
    StoredFileError,
    check_bytes,
    check_header,
    check_metadata,
    json_text,
    read_object,
    read_tensors,
)
from lfsgan_cli.workspace import blend
from lfsgan_cli.workspace.blend import StoredPart

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.adapter import Adapter
    from lfsgan_cli.networks.config import NetworkConfig
    from lfsgan_cli.networks.generator import Generator

FORMAT = "task/1"
W_MEAN = "w_mean"
_MISFIT = "its tensors have other names or shapes; the file is damaged"
# What an adapter may allocate while it is built: more numbers than it keeps, and a few that it needs on the way.
_MARGIN, _SMALL = 4, 1 << 24
_ADAPTER_TENSORS = ("weights.", "features.")
_OWN_KEYS = {f"lfsgan.{key}" for key in ("format", "adapter", "adapter_version", "config", "base", "training")}


class TaskFileError(StoredFileError):
    """A task's file that is damaged or not made by this program."""

    kind: ClassVar = "task"
    command: ClassVar = "learn-task"
    way_out: ClassVar = "get the file again, or learn or import the task again with --overwrite"


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


class AdapterStateError(LfsganError):
    """A task whose tensors do not fit its adapter."""

    def __init__(self, info: TaskInfo, reason: str) -> None:
        super().__init__(f"task {info.name!r} cannot be rebuilt by adapter {info.adapter!r}: {reason}")


@dataclass(frozen=True)
class TaskFile:
    """A task as its file holds it, every byte checked. tensors: those of the adapter, and `w_mean`, on the CPU."""

    path: Path
    info: TaskInfo
    tensors: Mapping[str, Tensor]

    @classmethod
    def open(cls, path: Path) -> TaskFile:
        """Read a file and verify it: header, format, hashes, finite numbers.

        Raises TensorFileError for what is no safetensors file, NotATaskError for a base or a foreign file,
        NewerTaskError for a format of the future, TaskFileError for damage.
        """
        info = read_info(path)
        return cls(path, info, read_tensors(path, TaskFileError))

    @property
    def sha256(self) -> str:
        """The hash of the tensors, 64 hex digits."""
        return safetensors.tensors_sha256(self.tensors)

    @property
    def w_mean(self) -> Tensor:
        """The task's own w_avg, fp32 [w_dim]."""
        return self.tensors[W_MEAN].float()

    def adapter(self, network: Generator) -> Adapter:
        """The adapter as it was learned, or the blend as it was stored, frozen.

        network: the EMA generator of its base, on the CPU. AdapterStateError where the installed adapter or the network
        is another one, UnknownAdapterError.
        """
        parts = self.parts(network)
        return _blended(parts, network) if self.info.adapter == blend.ADAPTER else parts[0][1]

    def parts(self, network: Generator) -> list[tuple[StoredPart, Adapter]]:
        """The same as its parts: those of a stored blend, or the task itself with strength 1 for all layers."""
        from lfsgan_cli.system.machine import Budget, OverBudgetError

        info = self.info
        state = {name: tensor for name, tensor in self.tensors.items() if name != W_MEAN}
        numbers = sum(tensor.numel() for tensor in state.values())
        try:
            with Budget(_MARGIN * numbers + _SMALL):
                parts = [(part, _built(info, part, network)) for part in _stored_parts(info, network.config)]
            (_blended(parts, network) if info.adapter == blend.ADAPTER else parts[0][1]).load_state_dict(state)
        except (RuntimeError, OverBudgetError) as error:
            raise AdapterStateError(info, _MISFIT) from error
        if self.tensors[W_MEAN].shape != network.w_mean.shape:
            raise AdapterStateError(info, _MISFIT)
        return [(part, adapter.requires_grad_(requires_grad=False)) for part, adapter in parts]


def _stored_parts(info: TaskInfo, config: NetworkConfig) -> list[StoredPart]:
    if info.adapter != blend.ADAPTER:
        table = dict.fromkeys(blend.layers(config), 1.0)
        return [StoredPart(info.name, info.adapter, info.adapter_version, info.config, table)]
    _check_version(info, info.adapter_version, blend.VERSION)
    try:
        return blend.read_parts(info.config, config)
    except ValueError as error:
        raise AdapterStateError(info, str(error)) from error


def _built(info: TaskInfo, part: StoredPart, network: Generator) -> Adapter:
    from lfsgan_cli import registry
    from lfsgan_cli.adapter import construct, read_config

    cls = registry.load(part.adapter)
    _check_version(info, part.adapter_version, str(cls.version))
    return construct(cls, network, read_config(cls, part.config))


def _blended(parts: Sequence[tuple[StoredPart, Adapter]], network: Generator) -> Adapter:
    from lfsgan_cli.apply import Blended

    return Blended([(adapter, blend.by_layer(part.table, network.config)) for part, adapter in parts])


def _check_version(info: TaskInfo, found: str, installed: str) -> None:
    if found != installed:
        raise AdapterStateError(
            info, f"the file is of its version {found}, installed is {installed}; install that version"
        )


def write(path: Path, info: TaskInfo, tensors: Mapping[str, Tensor]) -> None:
    """Write a task: the adapter's tensors (`weights.…`, `features.…`) and `w_mean`. Equal tasks give equal bytes."""
    _check_tensors(path, tensors)
    metadata = _metadata(info, safetensors.content_hash(tensors))
    safetensors.write(path, tensors, safetensors.sealed(tensors, metadata))


def read_summary(path: Path) -> TaskSummary:
    """What the header alone tells, without torch; raises as `TaskFile.open`, but for damage to the tensors' values."""
    header = safetensors.read_header(path)
    info = _info(path, header.metadata)
    _check_tensors(path, header.tensors)
    check_header(path, header, TaskFileError)
    learned = [spec for name, spec in header.tensors.items() if name != W_MEAN]
    return TaskSummary(info, sum(math.prod(spec.shape) for spec in learned), header.file_bytes)


def read_info(path: Path) -> TaskInfo:
    """The header's content, without torch; raises as `read_summary` does."""
    return read_summary(path).info


def verify(path: Path) -> TaskInfo:
    """The header's content, once the tensors' bytes are those that it names; without torch; see `TaskFile.open`."""
    info = read_info(path)
    check_bytes(path, TaskFileError)
    return info


def _metadata(info: TaskInfo, content_hash: str) -> dict[str, str]:
    resolution = info.base.network["resolution"]
    return {
        "format": "pt",  # how transformers and others know that the tensors are torch's
        "lfsgan.format": FORMAT,
        "lfsgan.adapter": info.adapter,
        "lfsgan.adapter_version": info.adapter_version,
        "lfsgan.config": json_text(info.config),
        "lfsgan.base": json_text(asdict(info.base)),
        "lfsgan.training": json_text(info.training),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"stylegan2-{resolution}/{info.adapter}",
        "modelspec.implementation": "lfsgan",
        "modelspec.title": info.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        HASH: content_hash,
    }


def _info(path: Path, metadata: Mapping[str, str]) -> TaskInfo:
    _check_format(path, metadata.get("lfsgan.format"))
    _check_keys(path, metadata)
    return TaskInfo(
        name=metadata["modelspec.title"],
        adapter=metadata["lfsgan.adapter"],
        adapter_version=metadata["lfsgan.adapter_version"],
        config=read_object(path, metadata, "lfsgan.config", TaskFileError),
        base=_base(path, read_object(path, metadata, "lfsgan.base", TaskFileError)),
        training=read_object(path, metadata, "lfsgan.training", TaskFileError),
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
    keys = sorted({*_OWN_KEYS, "modelspec.title", HASH})
    check_metadata(path, metadata, keys, ("modelspec.title", "lfsgan.adapter", "lfsgan.adapter_version"), TaskFileError)
    for key in sorted(key for key in metadata.keys() - _OWN_KEYS - {SEAL} if key.startswith("lfsgan.")):
        raise TaskFileError(path, f"its header has the unknown key {quoted(key)}")


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
