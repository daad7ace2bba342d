"""What a base's file holds: the EMA generator, the raw one, the discriminator, and their identities."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lfsgan_cli.errors import quoted
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import (
    HASH,
    StoredFileError,
    check_bytes,
    check_header,
    check_metadata,
    json_text,
    read_object,
    read_tensors,
)
from lfsgan_cli.networks.config import NetworkConfig, NetworkConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lfsgan_cli.networks.discriminator import Discriminator
    from lfsgan_cli.networks.generator import Generator

FORMAT = "base/1"
EMBEDDED = "avatars-64-2"
MISFIT = "its tensors do not fit the network that its header describes"
_ORIGIN = "lfsgan.origin"
_NAMES = ("lfsgan.name", "lfsgan.identity", "lfsgan.discriminator")
_KEYS = (*_NAMES, "lfsgan.network", "lfsgan.training", HASH)
_BUFFERS = (".const", ".w_mean")


class BaseFileError(StoredFileError):
    """A base's file that is damaged, or no base at all."""

    kind: ClassVar = "base"
    command: ClassVar = "pretrain"
    way_out: ClassVar = (
        "put a whole copy of this very base in its place (the embedded one comes by itself once this file is gone)"
    )


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
        # All bytes are checked: identities leave out noise, w_avg and the raw generator.
        tensors = read_tensors(path, BaseFileError)
        average, live, discriminator = _networks(path, summary.network, tensors)
        for part, network in (("average", average), ("live", live), ("discriminator", discriminator)):
            _load(path, network, _under(tensors, f"{part}."))
        if identity(average) != summary.identity or identity(discriminator) != summary.discriminator:
            raise BaseFileError(path, "its tensors are not those of the base that its header names")
        return cls(summary.name, summary.identity, average, live, discriminator)


def embedded_base() -> AbstractContextManager[Path]:
    """The default base that comes with the package: a file, for as long as the block lasts."""
    return as_file(files("lfsgan_cli") / "assets" / f"{EMBEDDED}.safetensors")


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
        "lfsgan.network": json_text(base.average.config.to_json()),
        "lfsgan.training": json_text(training),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"stylegan2-{resolution}",
        "modelspec.implementation": "lfsgan",
        "modelspec.title": base.name,
        "modelspec.resolution": f"{resolution}x{resolution}",
        HASH: safetensors.content_hash(tensors),
    }
    if origin:
        metadata[_ORIGIN] = json_text(origin)
    safetensors.write(path, tensors, safetensors.sealed(tensors, metadata))


def read_summary(path: Path) -> BaseSummary:
    """What the header alone tells, without torch."""
    header = safetensors.read_header(path)
    metadata = _checked(path, header.metadata)
    check_header(path, header, BaseFileError)
    return BaseSummary(
        name=metadata["lfsgan.name"],
        identity=metadata["lfsgan.identity"],
        discriminator=metadata["lfsgan.discriminator"],
        network=_network(path, metadata),
        training=read_object(path, metadata, "lfsgan.training", BaseFileError),
        origin=read_object(path, metadata, _ORIGIN, BaseFileError) if _ORIGIN in metadata else {},
        parameters=_parameters(header, "average."),
        discriminator_parameters=_parameters(header, "discriminator."),
        file_bytes=header.file_bytes,
    )


def verify(path: Path) -> BaseSummary:
    """What the header tells, once the tensors' bytes are those that it names; without torch."""
    summary = read_summary(path)
    check_bytes(path, BaseFileError)
    return summary


def _networks(
    path: Path, config: NetworkConfig, tensors: Mapping[str, Tensor]
) -> tuple[Generator, Generator, Discriminator]:
    """Two generators and a discriminator, to be filled; no larger than what there is to fill them with."""
    from lfsgan_cli.networks.discriminator import Discriminator
    from lfsgan_cli.networks.generator import build_generator
    from lfsgan_cli.system.machine import Budget, OverBudgetError

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
    check_metadata(path, metadata, _KEYS, _NAMES, BaseFileError)
    return metadata


def _network(path: Path, metadata: Mapping[str, str]) -> NetworkConfig:
    try:
        return NetworkConfig.from_json(read_object(path, metadata, "lfsgan.network", BaseFileError))
    except NetworkConfigError as error:
        raise BaseFileError(path, str(error)) from error
