"""Blends: tasks with weights, such as `sketch=0.6,babies=0.4`, and strengths for single layers. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from lfsgan_cli.errors import LfsganError, quoted
from lfsgan_cli.io.files import check_name
from lfsgan_cli.networks.config import NetworkConfig

MAPPING = "mapping"
ALL = "all"
GROUPS = {"coarse": (4, 8), "middle": (16, 32), "fine": (64, 1024)}  # as the StyleGAN paper names them
MAX_STRENGTH = 1.2  # see `apply.LARGEST`
MAX_WEIGHT = 100.0
MAX_PARTS = 64
MAX_TITLE = 100  # characters of a folder's name
ADAPTER, VERSION = "blend", "1"  # in the header of a task that stores a blend

_LAYERS = re.compile(r"synthesis\.(convs|to_rgbs)\.(\d+)\.")

Table = Mapping[str, float]  # from a layer ("mapping", "4", "8", …) to the share of a task's change


class BlendError(LfsganError):
    """A blend that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"task {quoted(text)}: {reason}; expected a task, or a blend such as sketch=0.6,babies=0.4")


class LayersError(LfsganError):
    """Layers, or their strengths, that cannot be read."""

    def __init__(self, label: str, text: str, reason: str, expected: str) -> None:
        super().__init__(f"{label} {quoted(text)}: {reason}; expected {expected}")


@dataclass(frozen=True)
class Blend:
    """Tasks and their weights, sorted by name; one task of weight 1 is that task itself."""

    parts: tuple[tuple[str, float], ...]

    @property
    def title(self) -> str:
        """As the user would write it; a single task of weight 1 is its name."""
        if len(self.parts) == 1 and self.parts[0][1] == 1:
            return self.parts[0][0]
        return ",".join(f"{name}={weight:.12g}" for name, weight in self.parts)

    @property
    def folder(self) -> str:
        """A folder name for its images: the title, or a hash where that is too long."""
        return self.title if len(self.title) <= MAX_TITLE else f"blend-{sha256(self.title.encode()).hexdigest()[:16]}"

    @property
    def task(self) -> str | None:
        """The task's name where this is a single task of weight 1."""
        return self.title if len(self.parts) == 1 and self.parts[0][1] == 1 else None


def parse_blend(text: str) -> Blend:
    """`cats`, `cats=0.7` or `sketch=0.6,babies=0.4`; BlendError or TaskNameError."""
    if "=" not in text:
        return Blend(((check_name(text), 1.0),))
    weights: dict[str, float] = {}
    for entry in text.split(","):
        name, _, number = (word.strip() for word in entry.partition("="))
        weight = _number(number)
        if weight is None or abs(weight) > MAX_WEIGHT:
            raise BlendError(text, f"{entry.strip()!r} has no weight from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g}")
        if check_name(name) in weights:
            raise BlendError(text, f"{name!r} is named twice")
        weights[name] = weight
    if len(weights) > MAX_PARTS:
        raise BlendError(text, f"it has {len(weights)} tasks, and {MAX_PARTS} are the most")
    return Blend(tuple(sorted(weights.items())))


@dataclass(frozen=True)
class LayerStrength:
    """A strength for single layers; those that are not named keep 1. given: names as the user wrote them."""

    given: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return ",".join(f"{name}={share:.12g}" for name, share in self.given)

    def table(self, config: NetworkConfig) -> dict[str, float]:
        """The share of every layer; LayersError for layers that the network lacks."""
        named: dict[str, float] = {}
        for name, share in self.given:
            for layer in [MAPPING] if name == MAPPING else map(str, sides_of(name, config, "--strength")):
                if layer in named:
                    raise LayersError("--strength", str(self), f"layer {layer} is named twice", "each layer once")
                named[layer] = share
        return {layer: named.get(layer, 1.0) for layer in layers(config)}


def by_layer(table: Table, config: NetworkConfig) -> Callable[[str], float]:
    """A table of strengths by layer as a function of a tensor's name, as `apply.Blended` takes it."""
    return lambda name: table[layer_of(name, config)]


def parse_strength(text: str) -> float | LayerStrength:
    """`0.7`, `coarse=1,middle=0.5` or `4-16=1,32-64=0`; LayersError."""
    expected = f"a number from 0 to {MAX_STRENGTH}, or layers such as coarse=1,middle=0.5,fine=0 or 4-16=1,mapping=0"
    if "=" not in text:
        return _share(text, text, expected)
    given = [entry.partition("=") for entry in text.split(",")]
    return LayerStrength(tuple((name.strip(), _share(text, number, expected)) for name, _, number in given))


def sides_of(text: str, config: NetworkConfig, label: str) -> list[int]:
    """The feature map sides that `coarse`, `16` or `4-16` names, several joined by `+`; LayersError."""
    first, last = config.sides[0], config.sides[-1]
    expected = f"coarse, middle, fine, all, or sides of this base's layers from {first} to {last} such as 4-16"
    sides: list[int] = []
    for word in text.split("+"):
        low, high = (4, last) if word == ALL else GROUPS.get(word) or _range(word, label, expected)
        found = [side for side in config.sides if low <= side <= high]
        if not found or (word not in GROUPS and not {low, high} <= {*config.sides}):
            reason = f"a base of {last}×{last} pixels has no layer {quoted(word)}"
            raise LayersError(label, text, reason, expected)
        sides += found
    return sorted(set(sides))


def layers(config: NetworkConfig) -> list[str]:
    """All layers by name: the mapping, and the sides of the synthesis."""
    return [MAPPING, *map(str, config.sides)]


def layer_of(name: str, config: NetworkConfig) -> str:
    """The layer that a weight or module of a generator belongs to."""
    if name.startswith("mapping."):
        return MAPPING
    found = _LAYERS.match(f"{name}.")
    if found is None:
        return "4"  # the constant start
    sides = config.noise_sides if found[1] == "convs" else config.sides
    index = int(found[2])
    return str(sides[index]) if index < len(sides) else str(config.resolution)


def shares(weight: float, strength: float | LayerStrength, config: NetworkConfig) -> dict[str, float]:
    """A task's table: its weight in a blend times the strength of each layer."""
    if isinstance(strength, LayerStrength):
        return {layer: weight * share for layer, share in strength.table(config).items()}
    return dict.fromkeys(layers(config), weight * strength)


@dataclass(frozen=True)
class StoredPart:
    """One task inside a stored blend, as the header says: adapter, version and config as in a task's own header."""

    task: str
    adapter: str
    adapter_version: str
    config: dict[str, Any]
    table: dict[str, float]

    def scaled(self, by: Table) -> StoredPart:
        """The same part with its strengths multiplied, layer by layer."""
        return replace(self, table={layer: share * by[layer] for layer, share in self.table.items()})

    def to_json(self) -> dict[str, Any]:
        """For the header."""
        return {
            "task": self.task, "adapter": self.adapter, "adapter_version": self.adapter_version,
            "config": self.config, "strength": self.table,
        }  # fmt: skip


def read_parts(config: Mapping[str, Any], network: NetworkConfig) -> list[StoredPart]:
    """The parts in a stored blend's header; ValueError says what is wrong with it."""
    match config:
        case {"parts": [*parts], **rest} if parts and not rest and len(parts) <= MAX_PARTS:
            return [_part(part, layers(network)) for part in parts]
    raise ValueError(f"its header names no parts, or more than {MAX_PARTS}")


def _part(part: Any, known: Iterable[str]) -> StoredPart:
    match part:
        case {
            "task": str(task),
            "adapter": str(adapter),
            "adapter_version": str(version),
            "config": dict(config),
            "strength": dict(table),
            **rest,
        } if (
            not rest
            and adapter != ADAPTER
            and sorted(table) == sorted(known)
            and all(type(share) in {int, float} and math.isfinite(share) for share in table.values())
        ):
            return StoredPart(task, adapter, version, config, {name: float(share) for name, share in table.items()})
    raise ValueError(f"its header has the part {quoted(part)}, which is not a task with a strength for every layer")


def _range(word: str, label: str, expected: str) -> tuple[int, int]:
    low, _, high = word.partition("-")
    if not (low.isdecimal() and (high or low).isdecimal() and int(low) <= int(high or low)):
        raise LayersError(label, word, f"{word!r} names no layer", expected)
    return int(low), int(high or low)


def _share(text: str, number: str, expected: str) -> float:
    share = _number(number)
    if share is None or not 0 <= share <= MAX_STRENGTH:
        raise LayersError("--strength", text, f"{number.strip()!r} is not between 0 and {MAX_STRENGTH}", expected)
    return share


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
