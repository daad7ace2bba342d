"""Pretraining: its plan, checked before work begins, and the run from its first step to the workspace's base."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.images.dataset import ImageDataset, WithoutFiles
from lfsgan_cli.images.framing import DEFAULT_FRAMING as CROPPED
from lfsgan_cli.images.framing import Framing
from lfsgan_cli.images.source import identity, open_source
from lfsgan_cli.networks.config import RESOLUTIONS, NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.networks.growing import grow_discriminator, grow_generator, grown_config
from lfsgan_cli.runs.best import SAMPLES, SIDE, Best, look_every
from lfsgan_cli.runs.estimate import CHECKPOINTS, FLOAT, TRAINED, Estimate, of_pretraining
from lfsgan_cli.runs.folder import RunFolder, Stopwatch
from lfsgan_cli.runs.plan import NoCheckpointError, Plan, flag
from lfsgan_cli.runs.session import Session
from lfsgan_cli.system.device import choose
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.system.machine import this_machine
from lfsgan_cli.training import memory
from lfsgan_cli.training.batches import Advance, batch_of, shuffled
from lfsgan_cli.training.config import NETWORK_DEFAULTS, PretrainConfig
from lfsgan_cli.training.latent_flow import seconds_of_fit
from lfsgan_cli.training.pretraining import Pretraining, memory_needed
from lfsgan_cli.workspace import base_file
from lfsgan_cli.workspace.base_file import Base, BaseSummary
from lfsgan_cli.workspace.workspace import Workspace

# The network of a base that starts from no other; a base to start from has its own.
SHAPE = ("channels", "latent", "mapping_layers")
GRID_EVERY = 300.0  # seconds between two image grids
GROWING_IMAGES = 256  # that new blocks of the discriminator are fitted to
WARM_RAMP = 1e9  # of the EMA: a base that was trained elsewhere has one that is not young


class OtherFilesError(LfsganError):
    """Files to go on without that leave another set of images than the run began with."""

    def __init__(self, data: Path, found: int, began: int) -> None:
        super().__init__(
            f"{str(data)!r} and the files of --skip are {found:,} images, and the run began with {began:,}: "
            "pass the same folder, and --skip for each file that is damaged or gone"
        )


class OtherNetworkError(LfsganError):
    """A base to start from that is larger than what was asked for."""

    def __init__(self, asked: int, found: int) -> None:
        super().__init__(
            f"--resolution is {asked}, but the base to start from draws {found}×{found}: a base can grow, not shrink; "
            f"leave it out for {found}, or ask for more"
        )


@dataclass(frozen=True)
class PretrainPlan(Plan):
    """What is to be trained: all that the base depends on.

    data: the name of the images' folder or zip file. data_sha256: their identity, see `images.source.identity`. start:
    identity of the base it starts from, or None. lengthened: for each end that was planned before, `kimg`, and what
    the run had done `at` the time, in thousands of images. without: files that went bad, for which others stand in.
    """

    END: ClassVar[str] = "--kimg"

    name: str
    data: str
    data_sha256: str
    pictures: int
    network: Mapping[str, Any]
    training: PretrainConfig
    start: str | None
    framing: Framing = CROPPED
    lengthened: Sequence[Mapping[str, float]] = ()
    without: Sequence[str] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """See `Plan`."""
        network = self.network
        return {
            "--name": self.name,
            "--resolution": network["resolution"],
            "--channels": network["channels"]["4"],
            "--latent": network["w_dim"],
            "--mapping-layers": network["mapping_layers"],
            **{flag(key): value for key, value in self.training.to_json().items()},
            "--init-from": self.start,
            "--data": self.data_sha256,
            "--fit": self.framing.fit,
            "--crop-position": self.framing.crop_position,
        }

    @property
    def steps(self) -> int:
        """See `Plan`."""
        return self.training.steps

    def at(self, done: int) -> float:
        """See `Plan`: thousands of images."""
        return done * self.training.batch / 1000

    @property
    def record(self) -> dict[str, Any]:
        """What the base's file records of its training."""
        more = {name: list(had) for name, had in (("lengthened", self.lengthened), ("without", self.without)) if had}
        about = {"data": self.data, "data_sha256": self.data_sha256, "pictures": self.pictures, "start": self.start}
        return {**self.training.to_json(), **about, **self.framing.changes(), **more}

    @classmethod
    def of_base(cls, base: BaseSummary) -> PretrainPlan:
        """The plan that a base was trained by."""
        known = {name: base.training[name] for name in PretrainConfig.__dataclass_fields__}
        rest = ("data", "data_sha256", "pictures", "start", "fit", "crop_position", "lengthened", "without")
        return cls.from_json({
            "name": base.name, "network": base.network.to_json(), "training": known,
            **{key: base.training[key] for key in rest if key in base.training},
        })  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the way back."""
        document = {**asdict(self), "lengthened": [dict(one) for one in self.lengthened], "without": list(self.without)}
        del document["framing"]
        document |= self.framing.changes()
        return {key: value for key, value in document.items() if value != []}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PretrainPlan:
        """Back from `to_json`."""
        framing, rest = Framing.taken_from(document)
        lists = {name: tuple(document.get(name, ())) for name in ("lengthened", "without")}
        return cls(**{**rest, "training": PretrainConfig(**document["training"]), **lists}, framing=framing)

    def lengthened_to(self, other: PretrainPlan, done: int) -> PretrainPlan:
        """See `Plan`."""
        before = {"kimg": self.training.kimg, "at": self.at(done)}
        training = replace(self.training, kimg=other.training.kimg)
        return replace(self, training=training, lengthened=(*self.lengthened, before))

    def asked(self, data_sha256: str, given: Mapping[str, Any]) -> PretrainPlan:
        """This plan with what the user passes along with `--resume`, under the command's names."""
        said = {key: value for key, value in given.items() if value != "auto"}
        framing, said = Framing.taken_from(said, self.framing)
        network = dict(self.network)
        for key, ours in {"resolution": "resolution", "latent": "w_dim", "mapping_layers": "mapping_layers"}.items():
            network |= {ours: said.pop(key)} if key in said else {}
        if "channels" in said:
            network["channels"] = {**network["channels"], "4": said.pop("channels")}
        start = base_file.read_summary(said.pop("init_from")).identity if "init_from" in said else self.start
        name = said.pop("name", self.name)
        training = replace(self.training, **said)
        asked = replace(self, name=name, network=network, training=training, start=start, data_sha256=data_sha256)
        return replace(asked, framing=framing)


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
        """Where the run's files are."""
        return RunFolder(self.workspace.base_run)

    def changes(self) -> list[str]:
        """The options of `pretrain` that differ from its defaults, as they are written."""
        usual = PretrainConfig(precision=self.plan.training.precision)
        found = self.plan.changes(replace(self.plan, training=usual, start=None, framing=CROPPED))
        if self.plan.start is not None:
            return found
        shape = {
            flag: self.plan.settings[flag] for flag in (f"--{name.replace('_', '-')}" for name in NETWORK_DEFAULTS)
        }
        values = zip(shape.items(), NETWORK_DEFAULTS.values(), strict=True)
        return [*(f"{flag} {value}" for (flag, value), usual in values if value != usual), *found]

    def estimate(self, device: torch.device, ranks: Ranks = ALONE) -> Estimate:
        """What pretraining needs. Times a second of work on the device."""
        network, training = NetworkConfig.from_json(self.plan.network), self.plan.training
        generator, discriminator = memory.sizes(network)
        state = TRAINED * (generator + discriminator) + generator  # and the EMA generator
        seconds = of_pretraining(network, training, device, ranks)
        if training.reconstruction_steps:
            seconds += seconds_of_fit(network, training.mapping_fit_updates, device)
        return Estimate(
            device=str(device),
            seconds=seconds,
            memory=memory_needed(network, training, len(self.pictures), ranks),
            free=memory.free(device),
            disk=FLOAT * (CHECKPOINTS * state + 2 * generator + discriminator),
        )


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
    framing: Framing = CROPPED,
) -> PretrainRun:
    """Check a new pretraining. network: None takes the start's, which must be given then."""
    workspace.check_base_free(overwrite=overwrite)
    base = Base.open(start) if start else None
    config = base.average.config if base else network
    if config is None:
        raise TypeError("a network or a start is needed")
    if base and network:
        if network.resolution < config.resolution:
            raise OtherNetworkError(network.resolution, config.resolution)
        config = grown_config(config, network.resolution)
    training = replace(training, precision=choose(training.precision, device, config.resolution))
    if base:
        training = replace(training, ema_ramp=WARM_RAMP)
    source = open_source(data)
    plan = PretrainPlan(
        name=name, data=data.name, data_sha256=identity(source), pictures=len(source.names),
        network=config.to_json(), training=training, start=base.identity if base else None, framing=framing,
    )  # fmt: skip
    return PretrainRun(workspace, plan, ImageDataset(source, config.resolution, framing), base, resumed=False)


def resume_pretraining(workspace: Workspace, data: Path, given: Mapping[str, Any], skip: Sequence[str]) -> PretrainRun:
    """Check an unfinished pretraining, or a finished one that gets more images. given: settings that are repeated.

    skip: files to go on without. OtherFilesError where there were not as many: what they held is not known any more.
    """
    workspace.check_base_free(overwrite=True)  # tasks may have been learned here since
    folder = RunFolder(workspace.base_run)
    plan = folder.plan(PretrainPlan.from_json)
    source = open_source(data)
    if without := frozenset((*plan.without, *skip)):
        source = WithoutFiles(source, without)
    if skip:
        if len(source.names) != plan.pictures or without.issuperset(source.names):
            raise OtherFilesError(data, len(source.names), plan.pictures)
        plan = replace(plan, without=tuple(sorted(without)), data_sha256=identity(source))
    asked = plan.asked(identity(source), given)
    plan = plan.resumed_as(asked, folder.checkpoint_step or 0)
    dataset = ImageDataset(source, int(plan.network["resolution"]), plan.framing)
    return PretrainRun(workspace, plan, dataset, None, resumed=True)


def open_run(
    workspace: Workspace,
    data: Path,
    said: Mapping[str, Any],
    *,
    device: torch.device,
    resume: bool,
    overwrite: bool,
    skip: Sequence[str] = (),
) -> PretrainRun | BaseSummary:
    """The run that a command or a script asks for: a new one, or one to resume; the summary if nothing is left to do.

    said: the options that the user passes, under the names of `PretrainConfig` and of the network, with `init_from`.
    skip: see `resume_pretraining`. Raises as `plan_pretraining` and `resume_pretraining`.
    """
    if resume:
        trained = check_trained(workspace, data, said) if is_trained(workspace) and not skip else None
        return trained or resume_pretraining(workspace, data, said, skip)
    training = {key: value for key, value in said.items() if key in PretrainConfig.__dataclass_fields__}
    start = said.get("init_from")
    network = None
    if not start or "resolution" in said:
        shape = {**NETWORK_DEFAULTS, **{key: said[key] for key in NETWORK_DEFAULTS if key in said}}
        side = shape["resolution"]
        table = {
            each: max(16, shape["channels"] * 16 // max(16, each)) for each in (4, 8, *RESOLUTIONS) if each <= side
        }
        network = NetworkConfig(
            resolution=side, channels=table, w_dim=shape["latent"], mapping_layers=shape["mapping_layers"]
        )
    name = said.get("name") or data.stem
    config = PretrainConfig(**training)
    framing, _ = Framing.taken_from(said)
    return plan_pretraining(
        workspace, data, name, network, config, device, start=start, overwrite=overwrite, framing=framing
    )


def is_trained(workspace: Workspace) -> bool:
    """Whether the workspace's base was trained here, to its end."""
    return workspace.base_path.is_file() and RunFolder(workspace.base_run).finished


def check_trained(workspace: Workspace, data: Path, given: Mapping[str, Any]) -> BaseSummary | None:
    """The summary of a base that is trained, of which the user repeats the settings; None where they ask for more.

    Raises ChangedPlanError where they ask for anything else, NoCheckpointError for more without a checkpoint.
    """
    base = base_file.read_summary(workspace.base_path)
    plan = PretrainPlan.of_base(base)
    asked = plan.asked(identity(open_source(data)), given)
    if plan.resumed_as(asked, plan.training.steps) == plan:
        return base
    if RunFolder(workspace.base_run).checkpoint_step is None:
        raise NoCheckpointError("this pretraining")
    return None


class Pretrainer(Session[BaseSummary]):
    """A pretraining at work. best: what it compares on the way. ranks: the processes that train together.

    advance: told of the work before the first step, `embedding_work` images in all.
    """

    grid_seeds = range(64)

    def __init__(
        self,
        job: PretrainRun,
        device: torch.device,
        ranks: Ranks = ALONE,
        advance: Advance = lambda _images: None,
    ) -> None:
        self.job = job
        raw, average, discriminator = _start(job, NetworkConfig.from_json(job.plan.network))
        networks = raw.to(device), average.to(device), discriminator.to(device)
        self.run = Pretraining(*networks, job.pictures, job.plan.training, ranks, advance)
        self.best = Best(job.pictures, job.plan.training.seed, device)
        self._watch = Stopwatch()
        super().__init__(job.folder, job.plan, self.run, device, resumed=job.resumed)

    def begin(self) -> None:
        """Make the folder."""
        self.folder.prepare()

    def after(self, done: int) -> None:
        """Image grids every few minutes, and in the last half comparisons with the training images."""
        every, last = look_every(self.total), done == self.total
        first = max(self.total // 2, self.job.plan.training.reconstruction_steps)
        if done > first and (done % every == 0 or (last and self.best.distances)):
            self.best.look(self.view(), done)
        if not last and self._watch.passed(GRID_EVERY):
            self.image_grid()

    def view(self) -> Generator:
        """The EMA generator."""
        return self.run.ema.module

    def pack(self) -> dict[str, Tensor]:
        """The best generator so far."""
        return self.best.pack()

    def unpack(self, tensors: Mapping[str, Tensor]) -> None:
        """Back from `pack`."""
        self.best.unpack(tensors)

    def finish(self, seconds: float, *, keep_checkpoint: bool = False) -> None:
        """See `Session`. BaseExistsError where tasks stand on another base by now."""
        self.job.workspace.check_base_free(overwrite=True)
        average, path, plan = self.view(), self.job.workspace.base_path, self.job.plan
        if self.best.step is not None and self.best.step != self.total:
            average.load_state_dict(self.best.state)
        average.w_mean.copy_(mean_w(average))
        self.image_grid()
        parts = (average.cpu(), self.run.generator.cpu(), self.run.discriminator.cpu())
        base_file.write(path, Base(plan.name, base_file.identity(average), *parts), plan.record)
        ranks = {"processes": self.ranks.count} if self.ranks.count > 1 else {}
        document = {"plan": plan.to_json(), "device": this_machine(self.device).device, "best": self.choice, **ranks}
        self.folder.finish(document, seconds, keep_checkpoint=keep_checkpoint)

    def result(self) -> BaseSummary:
        """See `Session`."""
        return base_file.read_summary(self.job.workspace.base_path)

    @property
    def choice(self) -> dict[str, Any] | None:
        """Which generator became the base, and its distance beside the last one's; None for a run too short to tell."""
        if self.best.step is None:
            return None
        metric, distances = f"fid[{SIDE}x{SIDE} pixels] n={SAMPLES}", self.best.distances
        return {
            "metric": metric,
            "step": self.best.step,
            "kimg": self.job.plan.at(self.best.step),
            "distance": round(distances[self.best.step], 4),
            "last_distance": round(distances[max(distances)], 4),
        }


def _start(job: PretrainRun, config: NetworkConfig) -> tuple[Generator, Generator, Discriminator]:
    if job.start:
        return _grown(job, job.start, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.plan.training.seed)
        raw = build_generator(config)
        return raw, copy.deepcopy(raw), Discriminator(config)


def _grown(job: PretrainRun, base: Base, config: NetworkConfig) -> tuple[Generator, Generator, Discriminator]:
    """The networks of the base to start from, with new levels where more resolution was asked for."""
    if config.resolution == base.average.config.resolution:
        return base.live, base.average, base.discriminator
    seed = job.plan.training.seed
    chosen = list(islice(shuffled(len(job.pictures), seed, 0), GROWING_IMAGES))
    live, average = (grow_generator(each, config, seed) for each in (base.live, base.average))
    images = batch_of(job.pictures, chosen, torch.device("cpu"))
    return live, average, grow_discriminator(base.discriminator, config, images, seed)
