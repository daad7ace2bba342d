"""Making a base of a workspace out of a checkpoint of another program."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lfsgan_cli import basefile
from lfsgan_cli.basefile import Base, BaseSummary
from lfsgan_cli.checkpoints import reading
from lfsgan_cli.checkpoints.found import Checkpoint, CheckpointError, State
from lfsgan_cli.jobs import states
from lfsgan_cli.jobs.pretraining import UnfinishedBaseError
from lfsgan_cli.jobs.runfolder import RunFolder
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.sampling import mean_w
from lfsgan_cli.wording import printable
from lfsgan_cli.workspace import Workspace

Part: TypeAlias = Literal["g_ema", "g"]

FRESH_SEED = 0  # of what a file lacks
FROM_FILE, FRESH, COMPUTED = "from the file", "fresh", "computed"


class MissingPartError(CheckpointError):
    """A file without the generator that was asked for."""

    def __init__(self, path: Path, part: Part) -> None:
        other = "g" if part == "g_ema" else "g_ema"
        super().__init__(path, f"has no generator {part!r}", f"give --part {other}, which it has")


@dataclass(frozen=True)
class Import:
    """A checkpoint that can become the base of a workspace; nothing is written yet."""

    workspace: Workspace
    path: Path
    checkpoint: Checkpoint
    part: Part
    name: str

    @property
    def origin(self) -> dict[str, Any]:
        """Where the base comes from: all but the file's name and kind says what was taken and what the file lacks."""
        return {
            "file": printable(self.path.name),
            "kind": self.checkpoint.kind,
            "part": self.part,
            "live": FROM_FILE if self.checkpoint.live is not None else f"the same as {self.part}",
            "discriminator": FROM_FILE if self.checkpoint.discriminator is not None else FRESH,
            "w_mean": COMPUTED if self._w_mean is None else FROM_FILE,
            "noise": FROM_FILE if _noises(self.checkpoint.config) <= self._state.keys() else FRESH,
        }

    def run(self) -> BaseSummary:
        """Write the base; the summary of what is in it."""
        average = _generator(self.checkpoint.config, self._state)
        average.w_mean = mean_w(average) if self._w_mean is None else self._w_mean.clone()
        live = _generator(self.checkpoint.config, self.checkpoint.live or self._state)
        base = Base(self.name, basefile.identity(average), average, live, _discriminator(self.checkpoint))
        self.workspace.root.mkdir(parents=True, exist_ok=True)
        states.drop(self.workspace.base_run)  # first: a killed import must not leave another base's run to resume
        basefile.write(self.workspace.base_path, base, {}, origin=self.origin)
        # What an earlier base's training left would pass for this one's.
        shutil.rmtree(self.workspace.base_run, ignore_errors=True)
        return basefile.read_summary(self.workspace.base_path)

    @property
    def _state(self) -> State:
        state = self.checkpoint.average if self.part == "g_ema" else self.checkpoint.live
        if state is None:
            raise MissingPartError(self.path, self.part)
        return state

    @property
    def _w_mean(self) -> Tensor | None:
        """The file's, which is that of its average."""
        return self.checkpoint.w_mean if self.part == "g_ema" else None


def begin(workspace: Workspace, path: Path, *, part: Part, name: str, overwrite: bool) -> Import:
    """Check an import: BaseExistsError, UnfinishedBaseError, MissingPartError, and as `reading.read` raises."""
    workspace.check_base_free(overwrite=overwrite)
    if RunFolder(workspace.base_run).unfinished and not overwrite:
        raise UnfinishedBaseError(workspace.base_run)
    checkpoint = reading.read(path)
    if (checkpoint.average if part == "g_ema" else checkpoint.live) is None:
        raise MissingPartError(path, part)
    return Import(workspace, path, checkpoint, part, printable(name or path.stem))


def _generator(config: NetworkConfig, state: State) -> Generator:
    # On "meta" a network takes no memory, and then it takes the file's own tensors, which are read as they are written.
    with torch.device("meta"):
        network = build_generator(config)
    # NVIDIA's networks can be trained without noise, and then they have no strength of it.
    silent = {name.replace(".const", ".strength"): torch.zeros(1) for name in _noises(config)}
    fresh = {"w_mean": torch.zeros(config.w_dim), **silent, **_fresh_noise(config)}
    network.load_state_dict({**fresh, **state}, assign=True)
    return network.requires_grad_(requires_grad=False)


def _discriminator(checkpoint: Checkpoint) -> Discriminator:
    if checkpoint.discriminator is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(FRESH_SEED)
            return Discriminator(checkpoint.config)
    with torch.device("meta"):
        network = Discriminator(checkpoint.config)
    network.load_state_dict(checkpoint.discriminator, assign=True)
    return network.requires_grad_(requires_grad=False)


def _fresh_noise(config: NetworkConfig) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(FRESH_SEED)
    sides = config.noise_sides
    return {_noise(index): torch.randn(1, 1, side, side, generator=stream) for index, side in enumerate(sides)}


def _noises(config: NetworkConfig) -> set[str]:
    return {_noise(index) for index in range(len(config.noise_sides))}


def _noise(index: int) -> str:
    return f"synthesis.convs.{index}.noise.const"
