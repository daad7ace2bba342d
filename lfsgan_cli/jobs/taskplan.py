"""What a task is to be learned from, and how: checked and loaded before work begins; a mistake leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli import options, registry, taskfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.runfolder import ChangedPlanError, RunFolder, UnusableStateError, differing
from lfsgan_cli.option_types import spell
from lfsgan_cli.pictures.dataset import Shots, load_shots
from lfsgan_cli.taskfile import TaskSummary
from lfsgan_cli.taskfolder import SUFFIX, find_task, task_path
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.workspace import Workspace

RESERVED = "base"  # the folder that `generate --with-base` draws into


class TaskExistsError(LfsganError):
    """A task is never replaced by accident."""

    def __init__(self, name: str) -> None:
        super().__init__(f"task {name!r} is learned already; choose another --name, or give --overwrite to replace it")


class UnfinishedTaskError(LfsganError):
    """A run of this name was begun and can go on."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} was begun and not finished: go on with `lfsgan learn-task --name {name} --resume`, "
            "or give --overwrite to start again"
        )


class ReservedNameError(LfsganError):
    """A name that means something else."""

    def __init__(self, name: str, meaning: str) -> None:
        super().__init__(f"{name!r} cannot name a task: it stands for {meaning}; choose another --name")


class OtherShotsError(LfsganError):
    """Pictures that are not those of the run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the pictures in {str(path)!r} are not those that this run began with: leave --images out to go on with "
            "its own, or start again with --overwrite instead of --resume"
        )


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


@dataclass(frozen=True)
class Plan:
    """What is to be learned: all that the task's bytes depend on."""

    name: str
    adapter: str
    options: Mapping[str, Any]
    training: LearnConfig
    shots: str  # identity
    base: str  # identity

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """Back from `to_json`."""
        return cls(**{**document, "training": LearnConfig(**document["training"])})


@dataclass(frozen=True)
class Job:
    """A plan with everything it needs, checked and loaded; nothing is written yet."""

    workspace: Workspace
    plan: Plan
    shots: Shots
    folder: RunFolder
    resumed: bool


def begin(
    workspace: Workspace,
    images: Path,
    name: str,
    adapter: str,
    pairs: Sequence[str],
    training: LearnConfig,
    *,
    overwrite: bool,
) -> Job:
    """Check a new task. Raises one-line errors for names, options, pictures and bases that cannot be used."""
    folder = _free_folder(workspace, name, overwrite=overwrite)
    config = options.parse(registry.load(adapter).Config, pairs)
    if not workspace.base_path.exists() and RunFolder(workspace.base_run).unfinished:
        raise BaseInTrainingError(workspace.root)
    base = workspace.base
    shots = load_shots(images, base.average.config.resolution)
    plan = Plan(name, adapter, options.to_json(config), training, shots.identity, base.identity)
    return Job(workspace, plan, shots, folder, resumed=False)


@dataclass(frozen=True)
class Repeated:
    """What the user gives along with `--resume`, to be compared with what the run was begun with.

    settings: under the names of the plan and its training; pairs: of `-o`; images: the few shots.
    """

    settings: Mapping[str, Any]
    pairs: Sequence[str]
    images: Path | None

    def check_settings(self, adapter: str, config: Mapping[str, Any], training: Mapping[str, Any]) -> None:
        """ChangedPlanError where a setting or an option of the adapter differs."""
        changes = differing({**training, "adapter": adapter}, self.settings, "--")
        if self.settings.get("adapter", adapter) == adapter:  # another adapter's options are not comparable
            changes |= differing(config, _read_pairs(adapter, config, self.pairs), "-o ")
        if changes:
            raise ChangedPlanError(changes)

    def check_shots(self, identity: str | None, resolution: int) -> None:
        """OtherShotsError where the pictures differ."""
        if self.images is not None and load_shots(self.images, resolution).identity != identity:
            raise OtherShotsError(self.images)


def resume(workspace: Workspace, name: str, repeated: Repeated) -> Job:
    """Check an unfinished task, and that whatever the user repeats is what it was begun with."""
    folder = RunFolder(workspace.task_run(name))
    plan = _kept_plan(folder)
    repeated.check_settings(plan.adapter, plan.options, plan.training.to_json())
    if workspace.base.identity != plan.base:
        raise OtherBaseError(name, plan.base, workspace.base.identity)
    resolution = workspace.base.average.config.resolution
    repeated.check_shots(plan.shots, resolution)
    shots = load_shots(folder.path / "few_shots", resolution)
    if shots.identity != plan.shots:
        raise ChangedShotsError(folder.path / "few_shots")
    return Job(workspace, plan, shots, folder, resumed=True)


def is_learned(workspace: Workspace, name: str) -> bool:
    """Whether the task's file is there and no newer run of that name was begun."""
    return task_path(workspace.root, name).is_file() and not RunFolder(workspace.task_run(name)).unfinished


def check_learned(workspace: Workspace, name: str, repeated: Repeated) -> TaskSummary:
    """A task that is learned already, and that whatever the user repeats is what it was learned with."""
    task = taskfile.read_summary(find_task(workspace.root, name))
    workspace.info(name)
    repeated.check_settings(task.info.adapter, task.info.config, task.info.training)
    repeated.check_shots(task.info.training.get("shots"), workspace.base.average.config.resolution)
    return task


def _free_folder(workspace: Workspace, name: str, *, overwrite: bool) -> RunFolder:
    path = task_path(workspace.root, name)
    if name.lower() == RESERVED:
        raise ReservedNameError(name, "the base itself")
    if name.lower().endswith(SUFFIX):  # its folder would stand where the other task's file is
        raise ReservedNameError(name, f"the file of task {name[: -len(SUFFIX)]!r}")
    folder = RunFolder(workspace.task_run(name))
    if folder.unfinished and not overwrite:
        raise UnfinishedTaskError(name)
    if path.exists() and not overwrite:
        raise TaskExistsError(name)
    return folder


def _kept_plan(folder: RunFolder) -> Plan:
    document = folder.plan()
    try:
        return Plan.from_json(document)
    except (KeyError, TypeError) as error:
        raise UnusableStateError(folder.state_path) from error


def _read_pairs(adapter: str, config: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """The values of the options that `pairs` name; all others are as they were."""
    named = {pair.partition("=")[0].strip() for pair in pairs}
    others = [f"{key}={spell(value)}" for key, value in config.items() if key not in named]
    values = options.to_json(options.parse(registry.load(adapter).Config, [*others, *pairs]))
    return {key: value for key, value in values.items() if key in named}
