"""What a checkpoint of another program holds, under our names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lfsgan_cli.errors import LfsganError, one_line
from lfsgan_cli.networks.config import NetworkConfig

State = Mapping[str, Tensor]


class CheckpointError(LfsganError):
    """A file that cannot be read as what it should be; the sentence says what it is, and what to do."""

    def __init__(self, path: Path, what: str, out: str) -> None:
        super().__init__(one_line(f"{path.name!r} {what}; {out}"))


@dataclass(frozen=True)
class Checkpoint:
    """Networks of another program, as states of ours.

    kind: in words, such as "rosinality's" or "NVIDIA's", with what is told of the file.
    average, live: the generator's average and the live one, without buffers but the noise; None where the file has
    none. discriminator: None where the file has none. w_mean: [w_dim], None where the file has none.
    """

    kind: str
    config: NetworkConfig
    average: State | None
    live: State | None
    discriminator: State | None
    w_mean: Tensor | None


def without_prefix(state: Mapping[Any, Any], *marks: str) -> dict[str, Any]:
    """The state without the prefix under which a wrapper files a network, such as `module.` or `_orig_mod.`.

    marks: names that the network has. The prefix is what stands before the first of them wherever it stands before all;
    of several networks in one state, the EMA's is taken. What is not under it is left out; a state without such a
    prefix is returned as it is.
    """
    names = {str(name): value for name, value in state.items()}
    prefixes = {name.removesuffix(marks[0]) for name in names if name.endswith(marks[0])}
    whole = [prefix for prefix in prefixes if all(f"{prefix}{mark}" in names for mark in marks)]
    if not whole or "" in whole:
        return names
    prefix = min(whole, key=lambda prefix: ("ema" not in prefix, len(prefix), prefix))
    return {name.removeprefix(prefix): value for name, value in names.items() if name.startswith(prefix)}
