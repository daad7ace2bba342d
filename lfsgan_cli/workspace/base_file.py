"""What a base's file holds: the averaged generator, the live one, the discriminator, and who they are."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError, is_presentable, quoted
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import data_hash
from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lfsgan_cli.networks.discriminator import Discriminator
    from lfsgan_cli.networks.generator import Generator

FORMAT = "base/1"
MISFIT = "its tensors do not fit the network that its header describes"
_ORIGIN = "lfsgan.origin"
WAY_OUT = "put a whole copy of this very base in its place (the embedded one comes by itself once this file is gone)"
_HASH = "modelspec.hash_sha256"  # of the tensors
_BUFFERS = (".const", ".w_mean")
_KEYS = (
    "lfsgan.identity", "lfsgan.discriminator", "lfsgan.name", "lfsgan.network", "lfsgan.training",
    _HASH,
)  # fmt: skip


class BaseFileError(LfsganError):
    """A base's file that is damaged, or no base at all."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} is not a usable base: {reason}; expected a file made by `lfsgan pretrain`")


class DamagedBaseError(BaseFileError):
    """A base's file that is not what was saved."""

    def __init__(self, path: Path, what: str = "tensors are not the ones that were") -> None:
        LfsganError.__init__(self, f"{str(path)!r} is damaged: its {what} saved; {WAY_OUT}")


@dataclass(frozen=True)
class BaseSummary:
    """A base without its tensors.

    identity: SHA-256 (hex) of the averaged generator; discriminator: SHA-256 (hex) of the discriminator.
    training: how it was made, as JSON. origin: what file of another program it came from, and what was taken of it, as
    JSON; empty for a base that was trained here. parameters: of one generator.
    """

    name: str
    identity: str
    discriminator: str
    network: NetworkConfig
    training: dict[str, Any]
    origin: dict[str, Any]
    parameters: int
    discriminator_parameters: int
    file_bytes: int


@dataclass(frozen=True)
class Base:
    """The shared frozen base; `average` is what tasks stand on and what is drawn."""

    name: str
    identity: str
    average: Generator
    live: Generator
    discriminator: Discriminator

    @classmethod
    def open(cls, path: Path) -> Base:
        """The base in fp32 on the CPU, frozen; refused where its tensors are not those that its header names."""
        summary = read_summary(path)
        tensors, metadata = safetensors.read(path)
        # Identities leave out noise, w_avg and the raw generator; those can be damaged as well.
        if safetensors.content_hash(tensors) != metadata[_HASH]:
            raise DamagedBaseError(path)
        if (name := safetensors.not_finite(tensors)) is not None:
            raise BaseFileError(path, f"its tensor {quoted(name)} holds numbers that are not finite")
        average, live, discriminator = _networks(path, summary.network, tensors)
        for part, network in (("average", average), ("live", live), ("discriminator", discriminator)):
            _load(path, network, _under(tensors, f"{part}."))
        if identity(average) != summary.identity or identity(discriminator) != summary.discriminator:
            raise BaseFileError(path, "its tensors are not those of the base that it says it is")
        return cls(summary.name, summary.identity, average, live, discriminator)


def identity(network: nn.Module) -> str:
    """SHA-256 (hex) over the parameters as fp32, sorted by name: name, shape and little-endian bytes of each.

    Buffers (constant noise, w_avg) do not count, and neither does the precision that a file stores.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(network.named_parameters()):
        value = parameter.detach().float().cpu().contiguous()
        digest.update(f"{name}\0{'x'.join(map(str, value.shape))}\0".encode())
        digest.update(value.numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def write(
    path: Path,
    base: Base,
    training: Mapping[str, Any],
    *,
    half: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a base.

    half: store fp16, for a base whose parameters were rounded to it before it got its identity. origin: see
    `BaseSummary`.
    """
    tensors: dict[str, Tensor] = {}
    for part, network in (("average", base.average), ("live", base.live), ("discriminator", base.discriminator)):
        tensors |= {f"{part}.{name}": t.half() if half else t for name, t in network.state_dict().items()}
    resolution = base.average.config.resolution
    metadata = {
        "format": "pt",
        "lfsgan.format": FORMAT,
        "lfsgan.name": base.name,
        "lfsgan.identity": base.identity,
        "lfsgan.discriminator": identity(base.discriminator),
        "lfsgan.network": _json(base.average.config.to_json()),
        "lfsgan.training": _json(training),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"stylegan2-{resolution}",
        "modelspec.implementation": "lfsgan",
        "modelspec.title": base.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        _HASH: safetensors.content_hash(tensors),
    }
    if origin:
        metadata[_ORIGIN] = _json(origin)
    safetensors.write(path, tensors, safetensors.sealed(tensors, metadata))


def read_summary(path: Path) -> BaseSummary:
    """What the header alone tells, without torch."""
    header = safetensors.read_header(path)
    metadata = _checked(path, header.metadata)
    if safetensors.is_broken(header):
        raise DamagedBaseError(path, "header is not the one that was")
    return BaseSummary(
        name=metadata["lfsgan.name"],
        identity=metadata["lfsgan.identity"],
        discriminator=metadata["lfsgan.discriminator"],
        network=_network(path, metadata),
        training=_object(path, metadata, "lfsgan.training"),
        origin=_object(path, metadata, _ORIGIN) if _ORIGIN in metadata else {},
        parameters=_parameters(header, "average."),
        discriminator_parameters=_parameters(header, "discriminator."),
        file_bytes=header.file_bytes,
    )


def verify(path: Path) -> BaseSummary:
    """What the header tells, once the tensors' bytes are those that it names; without torch."""
    summary, header = read_summary(path), safetensors.read_header(path)
    if data_hash(path, header) != header.metadata[_HASH]:
        raise DamagedBaseError(path)
    return summary


def _networks(
    path: Path, config: NetworkConfig, tensors: Mapping[str, Tensor]
) -> tuple[Generator, Generator, Discriminator]:
    """Two generators and a discriminator, to be filled; no larger than what there is to fill them with."""
    from lfsgan_cli.networks.discriminator import Discriminator
    from lfsgan_cli.networks.generator import build_generator
    from lfsgan_cli.system.memory import Budget, OverBudgetError

    try:
        with Budget(sum(tensor.numel() for tensor in tensors.values())):
            return build_generator(config), build_generator(config), Discriminator(config)
    except OverBudgetError as error:
        raise BaseFileError(path, MISFIT) from error


def _load(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise BaseFileError(path, MISFIT) from error
    network.requires_grad_(False)  # noqa: FBT003


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _parameters(header: safetensors.Header, prefix: str) -> int:
    parts = [spec for name, spec in header.tensors.items() if name.startswith(prefix) and not name.endswith(_BUFFERS)]
    return sum(math.prod(spec.shape) for spec in parts)


def _checked(path: Path, metadata: Mapping[str, str]) -> Mapping[str, str]:
    found = metadata.get("lfsgan.format")
    if found != FORMAT:
        raise BaseFileError(path, f"its format is {quoted(found)}, and {FORMAT!r} was expected")
    for key in _KEYS:
        if key not in metadata:
            raise BaseFileError(path, f"its header lacks {key!r}")
    for key in ("lfsgan.name", "lfsgan.identity", "lfsgan.discriminator"):
        if not is_presentable(metadata[key]):
            raise BaseFileError(path, f"{key!r} in its header is no name, but {quoted(metadata[key])}")
    return metadata


def _network(path: Path, metadata: Mapping[str, str]) -> NetworkConfig:
    try:
        return NetworkConfig.from_json(_object(path, metadata, "lfsgan.network"))
    except NetworkConfigError as error:
        raise BaseFileError(path, str(error)) from error


def _object(path: Path, metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    try:
        value = strictjson.loads(metadata[key])
    except ValueError as error:
        raise BaseFileError(path, f"{key!r} in its header is not JSON") from error
    if not isinstance(value, dict):
        raise BaseFileError(path, f"{key!r} in its header is not a JSON object")
    return value


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
