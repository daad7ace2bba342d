"""What a task is to be learned from, and how: checked and loaded before work begins; a mistake leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lfsgan_cli import options, registry, taskfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.recipes import Way
from lfsgan_cli.jobs.repeated import Repeated
from lfsgan_cli.jobs.runfolder import RunFolder
from lfsgan_cli.jobs.warmstart import Start, read_start
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.pictures.dataset import Pixels, Shots, load_shots
from lfsgan_cli.taskfile import TaskSummary
from lfsgan_cli.taskfolder import FEW_SHOTS, find_task, stands_for, task_path
from lfsgan_cli.training.config import LearnConfig, recorded
from lfsgan_cli.training.fitting import check_fits
from lfsgan_cli.training.recipes import DEFAULT
from lfsgan_cli.workspace import Workspace

LEAST = 2  # pictures to learn from


class TaskExistsError(LfsganError):
    """A task is never replaced by accident."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name!r} is learned already; choose another --name, or give --overwrite to replace it")


class UnfinishedTaskError(LfsganError):
    """A run of this name was begun and can go on."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} was begun and not finished: go on by `lfsgan learn-task` with --resume, "
            "or give --overwrite to start again"
        )


class ReservedNameError(LfsganError):
    """A name that means something else."""

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__(f"{name!r} cannot name a task: it stands for {meaning}; choose another --name")


class ChangedShotsError(LfsganError):
    """A run whose own copies of the pictures were changed."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the pictures in {str(path)!r} were changed since the run began; "
            "start again with --images and --overwrite instead of --resume"
        )


class OtherBaseError(LfsganError):
    """A run that began on another base."""

    def __init__(self, name: str, began: str, now: str) -> None:
        super().__init__(
            f"learning {name!r} began on the base {began[:12]}…, but this workspace has {now[:12]}… now: "
            "bring that base back, or start again with --overwrite instead of --resume"
        )


class BaseInTrainingError(LfsganError):
    """A workspace that will have a base of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"the base of {str(root)!r} is not trained to its end: finish it with `lfsgan pretrain --resume`, "
            "or learn the task in another --workspace"
        )


class TooManyHeldOutError(LfsganError):
    """Too few pictures are left to learn from."""

    def __init__(self, held_out: int, shots: int) -> None:
        super().__init__(
            f"held_out={held_out} leaves {max(0, shots - held_out)} of {shots} pictures to learn from: expected "
            f"{LEAST} or more, so hold out at most {max(0, shots - LEAST)}"
        )


@dataclass(frozen=True)
class Plan:
    """What is to be learned: all that the task's bytes depend on.

    init_from, init_from_sha256: the task whose weights it starts from, and the hash of its tensors; None is the base.
    """

    name: str
    adapter: str
    options: Mapping[str, Any]
    training: LearnConfig
    shots: str  # identity
    base: str  # identity
    recipe: str = DEFAULT
    init_from: str | None = None
    init_from_sha256: str | None = None

    @property
    def start(self) -> dict[str, str]:
        """What a task's file notes of where it started: nothing where that was the base."""
        if self.init_from is None or self.init_from_sha256 is None:
            return {}
        return {"init_from": self.init_from, "init_from_sha256": self.init_from_sha256}

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """Back from `to_json`."""
        return cls(**{**document, "training": LearnConfig(**recorded(document["training"]))})


@dataclass(frozen=True)
class Job:
    """A plan with everything it needs, checked and loaded; nothing is written yet.

    start: for a new run, the task that it starts from; a resumed one has all of that in its state.
    """

    workspace: Workspace
    plan: Plan
    shots: Shots
    folder: RunFolder
    resumed: bool
    start: Start | None = None


def begin(
    workspace: Workspace,
    images: Path,
    name: str,
    way: Way,
    *,
    overwrite: bool,
    init_from: str | None = None,
) -> Job:
    """Check a new task, which starts at the base or at the task `init_from`.

    Raises one-line errors for names, options, pictures, bases and starts that cannot be used.
    """
    folder = free_folder(workspace, name, overwrite=overwrite)
    cls = registry.load(way.adapter)
    config = options.parse(cls.Config, way.pairs)
    if not workspace.base_path.exists() and RunFolder(workspace.base_run).unfinished:
        raise BaseInTrainingError(workspace.root)
    base = workspace.base
    config = cls.settled(config, base.average.config)
    start = None if init_from is None else read_start(workspace, init_from, way.adapter, config)
    shots = load_shots(images, base.average.config.resolution)
    check_learnable(shots, way.training, base.average.config)
    plan = Plan(name, way.adapter, options.to_json(config), way.training, shots.identity, base.identity, way.recipe)
    if start is not None:
        plan = replace(plan, init_from=start.name, init_from_sha256=start.sha256)
    return Job(workspace, plan, shots, folder, resumed=False, start=start)


def resume(workspace: Workspace, name: str, repeated: Repeated) -> Job:
    """Check an unfinished task, and that whatever the user repeats is what it was begun with."""
    folder = RunFolder(workspace.task_run(name))
    plan = folder.plan(Plan.from_json)
    training = {**plan.training.to_json(), "recipe": plan.recipe, **plan.start}
    repeated.check_settings(plan.adapter, plan.options, training)
    repeated.check_start(workspace, name, plan.init_from_sha256)
    if workspace.base.identity != plan.base:
        raise OtherBaseError(name, plan.base, workspace.base.identity)
    resolution = workspace.base.average.config.resolution
    repeated.check_shots(plan.shots, resolution)
    shots = load_shots(folder.path / FEW_SHOTS, resolution)
    if shots.identity != plan.shots:
        raise ChangedShotsError(folder.path / FEW_SHOTS)
    return Job(workspace, plan, shots, folder, resumed=True)


def check_learnable(shots: Shots, training: LearnConfig, network: NetworkConfig) -> None:
    """TooManyHeldOutError, or TrainingConfigError, for settings that these pictures or this base are too small for."""
    halves(shots, training.held_out)
    check_fits(training, network)


def halves(shots: Shots, held_out: int) -> tuple[Pixels, Pixels]:
    """The pictures to learn from, and the last ones, which only choose the snapshot; TooManyHeldOutError."""
    left = len(shots.pictures) - held_out
    if held_out and left < LEAST:
        raise TooManyHeldOutError(held_out, len(shots.pictures))
    return shots.pictures[:left], shots.pictures[left:]


def is_learned(workspace: Workspace, name: str) -> bool:
    """Whether the task's file is there and no newer run of that name was begun."""
    return task_path(workspace.root, name).is_file() and not RunFolder(workspace.task_run(name)).unfinished


def check_learned(workspace: Workspace, name: str, repeated: Repeated) -> TaskSummary:
    """A task that is learned already, and that whatever the user repeats is what it was learned with."""
    task = taskfile.read_summary(find_task(workspace.root, name))
    workspace.info(name)
    repeated.check_settings(task.info.adapter, task.info.config, task.info.training)
    repeated.check_start(workspace, name, task.info.training.get("init_from_sha256"))
    repeated.check_shots(task.info.training.get("shots"), workspace.base.average.config.resolution)
    return task


def free_folder(workspace: Workspace, name: str, *, overwrite: bool) -> RunFolder:
    """The folder of a new task; refused where the name is taken, unless `overwrite`, or stands for something else."""
    path = task_path(workspace.root, name)
    meaning = stands_for(name)
    if meaning is not None:
        raise ReservedNameError(name, meaning)
    folder = RunFolder(workspace.task_run(name))
    if folder.unfinished and not overwrite:
        raise UnfinishedTaskError(name)
    if path.exists() and not overwrite:
        raise TaskExistsError(name)
    return folder
