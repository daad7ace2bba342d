"""Pretraining from start to base: checked before work begins, kept on the way."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import near_square, save_grid, to_arrays
from lfsgan_cli.generation.sampling import mean_w, sample
from lfsgan_cli.images.dataset import ImageDataset
from lfsgan_cli.images.source import open_source
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.runs.folder import ChangedPlanError, RunFolder, differing, flag
from lfsgan_cli.runs.session import CheckpointPolicy, checkpointed
from lfsgan_cli.system.device import choose
from lfsgan_cli.system.machine import this_machine
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.loop import Step
from lfsgan_cli.training.pretraining import Pretraining
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base, BaseSummary
from lfsgan_cli.workspace.workspace import Workspace

SHEET_EVERY = 1000  # steps
SHEET_SEEDS = range(64)
WARM_RAMP = 1e9  # a base that others trained has an average that is not young: no ramp


class UnfinishedBaseError(LfsganError):
    """A pretraining was begun here and can go on."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{str(path)!r} holds an unfinished pretraining: go on with --resume, or give --overwrite to start again"
        )


class OtherNetworkError(LfsganError):
    """A start that has another shape than what was asked for."""

    def __init__(self, asked: int, found: int) -> None:
        super().__init__(f"--resolution is {asked}, but the base to start from draws {found}×{found}; leave it out")


class AlreadyDoneError(LfsganError):
    """An end that the run has passed."""

    def __init__(self, asked: float, done: float) -> None:
        super().__init__(
            f"--kimg is {asked:g}, and the run has shown {done} already: give {done} or more, or leave it out"
        )


class OtherDataError(LfsganError):
    """Data that cannot be what the run began with."""

    def __init__(self, path: Path, count: int, began: int) -> None:
        super().__init__(
            f"{str(path)!r} holds {count:,} pictures, and the run began with {began:,}: give the same --data, "
            "or start again with --overwrite instead of --resume"
        )


@dataclass(frozen=True)
class PretrainPlan:
    """What is to be trained: all that the base depends on. start: identity of the base it starts from, or None."""

    name: str
    data: str
    pictures: int
    network: Mapping[str, Any]
    training: PretrainConfig
    start: str | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PretrainPlan:
        """Back from `to_json`."""
        return cls(**{**document, "training": PretrainConfig(**document["training"])})


@dataclass(frozen=True)
class PretrainRun:
    """A plan with what it needs; nothing is written yet. start: the base to start from, if any."""

    workspace: Workspace
    plan: PretrainPlan
    pictures: ImageDataset
    start: Base | None
    resumed: bool

    @property
    def folder(self) -> RunFolder:
        """Where the run is kept."""
        return RunFolder(self.workspace.base_run)


def plan_pretraining(
    workspace: Workspace,
    data: Path,
    name: str,
    network: NetworkConfig | None,
    training: PretrainConfig,
    device: torch.device,
    *,
    start: Path | None,
    overwrite: bool,
) -> PretrainRun:
    """Check a new pretraining. network: None takes the start's, which must be given then."""
    workspace.check_base_free(overwrite=overwrite)
    if RunFolder(workspace.base_run).unfinished and not overwrite:
        raise UnfinishedBaseError(workspace.base_run)
    base = base_file.read(start) if start else None
    config = base.average.config if base else network
    if config is None:
        raise TypeError("a network or a start is needed")
    if base and network and network.resolution != config.resolution:
        raise OtherNetworkError(network.resolution, config.resolution)
    training = replace(training, precision=choose(training.precision, device, config.resolution))
    if base:
        training = replace(training, ema_ramp=WARM_RAMP)
    source = open_source(data)
    plan = PretrainPlan(name, data.name, len(source.names), config.to_json(), training, base.identity if base else None)
    return PretrainRun(workspace, plan, ImageDataset(source, config.resolution), base, resumed=False)


def resume_pretraining(workspace: Workspace, data: Path, given: Mapping[str, Any]) -> PretrainRun:
    """Check an unfinished pretraining. given: settings that the user repeats; `kimg` alone may change."""
    workspace.check_base_free(overwrite=True)  # tasks may have been learned here since
    plan = RunFolder(workspace.base_run).plan(PretrainPlan.from_json)
    plan = replace(plan, training=replace(plan.training, kimg=given.get("kimg", plan.training.kimg)))
    _refuse_changes(plan.name, plan.network, {**plan.training.to_json(), "start": plan.start}, given)
    kept = RunFolder(workspace.base_run).kept or 0
    if kept > plan.training.steps:
        raise AlreadyDoneError(plan.training.kimg, kept * plan.training.batch / 1000)
    source = open_source(data)
    if len(source.names) != plan.pictures:
        raise OtherDataError(data, len(source.names), plan.pictures)
    return PretrainRun(workspace, plan, ImageDataset(source, int(plan.network["resolution"])), None, resumed=True)


def is_trained(workspace: Workspace) -> bool:
    """Whether the workspace's base was trained here, to its end."""
    return workspace.base_path.is_file() and RunFolder(workspace.base_run).finished


def check_trained(workspace: Workspace, given: Mapping[str, Any]) -> BaseSummary:
    """A base that is trained already, and that whatever the user repeats is what it was trained with."""
    base = base_file.read_summary(workspace.base_path)
    _refuse_changes(base.name, base.network.to_json(), base.training, given)
    return base


def _refuse_changes(
    name: str, network: Mapping[str, Any], training: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """ChangedPlanError where a setting differs from that of the run. given: under the command's names."""
    known = {
        **training,
        "name": name,
        "resolution": network["resolution"],
        "channels": network["channels"]["4"],
        "latent": network["w_dim"],
        "mapping_layers": network["mapping_layers"],
        "init_from": training["start"],
    }
    start = {"init_from": base_file.read_summary(given["init_from"]).identity} if "init_from" in given else {}
    changes = differing(known, {**given, **start}, flag)
    if changes:
        raise ChangedPlanError(changes)


class Pretrainer:
    """A job at work. passed_over: kept states that were damaged, so that it goes on from an earlier one."""

    def __init__(self, job: PretrainRun, device: torch.device) -> None:
        self.job, self.device = job, device
        config = NetworkConfig.from_json(job.plan.network)
        live, average, discriminator = _start(job, config)
        networks = live.to(device), average.to(device), discriminator.to(device)
        self.run = Pretraining(*networks, job.pictures, job.plan.training)
        self.passed_over = job.folder.restore(self.run) if job.resumed else ()

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.run.total

    @property
    def done(self) -> int:
        """Steps that an earlier process finished."""
        return self.run.done

    def steps(self, *, save_every: float, resume_command: str) -> Iterator[Step]:
        """Train to the end."""
        folder = self.job.folder
        if not self.job.resumed:
            folder.prepare()
            folder.save(self.run, self.job.plan.to_json())
        plan = self.job.plan.to_json()
        yield from checkpointed(
            self.run, CheckpointPolicy(folder, plan, save_every, resume_command, self._sheet, SHEET_EVERY)
        )

    def finish(self, seconds: float) -> BaseSummary:
        """Write the base; the summary of what is in it. BaseExistsError where tasks stand on another one by now."""
        self.job.workspace.check_base_free(overwrite=True)
        average, path = self.run.ema.module, self.job.workspace.base_path
        average.w_mean.copy_(mean_w(average))
        parts = (average.cpu(), self.run.generator.cpu(), self.run.discriminator.cpu())
        plan = self.job.plan
        training = {**plan.training.to_json(), "data": plan.data, "pictures": plan.pictures, "start": plan.start}
        base_file.write(path, Base(plan.name, base_file.identity(average), *parts), training)
        self._sheet(self.run.total)
        self.job.folder.finish({"plan": plan.to_json(), "device": this_machine(self.device).device}, seconds)
        return base_file.read_summary(path)

    def _sheet(self, done: int) -> None:
        pictures = torch.cat(list(sample(self.run.ema.module, SHEET_SEEDS, noise="const")))
        note = {"step": done, "seeds": list(SHEET_SEEDS), "noise": "const"}
        save_grid(self.job.folder.path / f"fakes{done:06}.png", near_square(to_arrays(pictures)), note)


def _start(job: PretrainRun, config: NetworkConfig) -> tuple[Any, Any, Discriminator]:
    if job.start:
        return job.start.live, job.start.average, job.start.discriminator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.plan.training.seed)
        live = build_generator(config)
        return live, copy.deepcopy(live), Discriminator(config)
