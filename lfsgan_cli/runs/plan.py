"""What a task is to be learned from, and how: checked and loaded before work begins; a mistake leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lfsgan_cli import options, registry
from lfsgan_cli.adapter import read_config
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images.dataset import LoadedImages, load_images
from lfsgan_cli.io import safetensors
from lfsgan_cli.options import spell
from lfsgan_cli.runs.folder import ChangedPlanError, RunFolder, differing, flag
from lfsgan_cli.training.config import CHOSEN, LearnConfig
from lfsgan_cli.training.discriminator import check_fits
from lfsgan_cli.training.recipes import DEFAULT, TaskRecipe
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.paths import FEW_SHOTS, find_task, stands_for, task_path
from lfsgan_cli.workspace.task_file import TaskSummary
from lfsgan_cli.workspace.workspace import Workspace, rebuild


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


@dataclass(frozen=True)
class TaskPlan:
    """What is to be learned: all that the task's bytes depend on.

    options: the adapter's, an instance of its `Config`.
    init_from, init_from_sha256: the task whose weights it starts from, and the hash of its tensors; None is the base.
    """

    name: str
    adapter: str
    options: Any
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
        document = {**asdict(self), "options": options.to_json(self.options)}
        return {key: value for key, value in document.items() if value is not None}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TaskPlan:
        """Back from `to_json`."""
        config = read_config(registry.load(document["adapter"]), document["options"])
        training = options.from_json(LearnConfig, document["training"])
        return cls(**{**document, "options": config, "training": training})


@dataclass(frozen=True)
class TaskRun:
    """A plan with everything it needs, checked and loaded; nothing is written yet.

    start: for a new run, the task that it starts from; a resumed one has all of that in its state.
    """

    workspace: Workspace
    plan: TaskPlan
    shots: LoadedImages
    folder: RunFolder
    resumed: bool
    start: Start | None = None


def plan_task(
    workspace: Workspace,
    images: Path,
    name: str,
    way: TaskRecipe,
    *,
    overwrite: bool,
    init_from: str | None = None,
) -> TaskRun:
    """Check a new task, which starts at the base or at the task `init_from`.

    Raises one-line errors for names, options, pictures, bases and starts that cannot be used.
    """
    folder = free_folder(workspace, name, overwrite=overwrite)
    if not workspace.base_path.exists() and RunFolder(workspace.base_run).unfinished:
        raise BaseInTrainingError(workspace.root)
    base = workspace.base
    config = registry.load(way.adapter).settled(way.options, base.average.config)
    start = None if init_from is None else read_start(workspace, init_from, way.adapter, config)
    shots = load_images(images, base.average.config.resolution)
    check_fits(way.training, base.average.config)
    plan = TaskPlan(name, way.adapter, config, way.training, shots.identity, base.identity, way.recipe)
    if start is not None:
        plan = replace(plan, init_from=start.name, init_from_sha256=start.sha256)
    return TaskRun(workspace, plan, shots, folder, resumed=False, start=start)


def resume_task(workspace: Workspace, name: str, repeated: Repeated) -> TaskRun:
    """Check an unfinished task, and that whatever the user repeats is what it was begun with."""
    folder = RunFolder(workspace.task_run(name))
    plan = folder.plan(TaskPlan.from_json)
    training = {**plan.training.to_json(), "recipe": plan.recipe, **plan.start}
    repeated.check_settings(plan.adapter, plan.options, training)
    repeated.check_start(workspace, name, plan.init_from_sha256)
    if workspace.base.identity != plan.base:
        raise OtherBaseError(name, plan.base, workspace.base.identity)
    resolution = workspace.base.average.config.resolution
    repeated.check_shots(plan.shots, resolution)
    shots = load_images(folder.path / FEW_SHOTS, resolution, use="own")
    if shots.identity != plan.shots:
        raise ChangedShotsError(folder.path / FEW_SHOTS)
    return TaskRun(workspace, plan, shots, folder, resumed=True)


def is_learned(workspace: Workspace, name: str) -> bool:
    """Whether the task's file is there and no newer run of that name was begun."""
    return task_path(workspace.root, name).is_file() and not RunFolder(workspace.task_run(name)).unfinished


def check_learned(workspace: Workspace, name: str, repeated: Repeated) -> TaskSummary:
    """A task that is learned already, and that whatever the user repeats is what it was learned with."""
    task = task_file.read_summary(find_task(workspace.root, name))
    workspace.info(name)
    config = read_config(registry.load(task.info.adapter), task.info.config)
    repeated.check_settings(task.info.adapter, config, task.info.training)
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


# Starting a task where another one ended, instead of at the base.


class SourceAdapterError(LfsganError):
    """A task to start from whose tensors are of another kind."""

    def __init__(self, name: str, adapter: str, wanted: str) -> None:
        super().__init__(
            f"--init-from {name}: that task was learned with --adapter {adapter}, this one is to be learned with "
            f"{wanted}; give --adapter {adapter}, or a task learned with {wanted}"
        )


class SourceOptionsError(LfsganError):
    """A task to start from whose tensors have other shapes or another meaning."""

    def __init__(self, name: str, changes: Mapping[str, tuple[object, object]]) -> None:
        listed = ", ".join(f"{key} was {spell(was)}, now {spell(now)}" for key, (was, now) in changes.items())
        given = " ".join(f"{key}={spell(was)}" for key, (was, _) in changes.items())
        super().__init__(
            f"--init-from {name} goes on with that task's own options, but {listed}; give {given}, "
            "or leave --init-from out"
        )


class OtherStartError(LfsganError):
    """A task to start from that was learned anew since."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"task {name!r} is not the one that this run started from, it was learned anew since: leave --init-from "
            "out to go on, or start again with --overwrite instead of --resume"
        )


@dataclass(frozen=True)
class Start:
    """A learned task to start from. sha256: of its tensors, as its header spells it. state: of its adapter."""

    name: str
    sha256: str
    state: Mapping[str, Tensor]


def read_start(workspace: Workspace, name: str, adapter: str, config: Any) -> Start:
    """The start of a task that is to be learned with `adapter` and its `config`.

    Raises UnknownTaskError, BaseMismatchError for a task of another base, AdapterStateError for another version of
    the adapter, SourceAdapterError, SourceOptionsError, and as `workspace.task_file.read` does for a damaged file.
    """
    info = workspace.info(name)
    if info.adapter != adapter:
        raise SourceAdapterError(name, info.adapter, adapter)
    _, tensors = task_file.read(find_task(workspace.root, name))
    state = rebuild(info, tensors, workspace.base.average).state_dict()
    theirs = options.to_json(read_config(registry.load(adapter), info.config))
    changes = differing(theirs, options.to_json(config), "-o {}".format)
    if changes:
        raise SourceOptionsError(name, changes)
    return Start(name, safetensors.tensors_sha256(tensors), state)


def check_same(workspace: Workspace, name: str, sha256: str | None) -> None:
    """OtherStartError where a task has other tensors than when it was started from."""
    if safetensors.tensors_sha256(task_file.read(find_task(workspace.root, name))[1]) != sha256:
        raise OtherStartError(name)


# What a user says again along with `--resume`: it must be what the run was begun with.


class OtherShotsError(LfsganError):
    """Pictures that are not those of the run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the pictures in {str(path)!r} are not those that this run began with: leave --images out to go on with "
            "its own, or start again with --overwrite instead of --resume"
        )


@dataclass(frozen=True)
class Repeated:
    """What the user gives along with `--resume`, to be compared with what the run was begun with.

    flags: of options of their own, and settings: of `-t`, both by the names of the plan and its training. options: of
    `-o`, as `key=value` pairs, which are read with the run's own adapter, or as values. images: the training images.
    """

    flags: Mapping[str, Any]
    settings: Mapping[str, Any]
    options: Sequence[str] | Mapping[str, Any]
    images: Path | None

    def check_settings(self, adapter: str, config: Any, training: Mapping[str, Any]) -> None:
        """ChangedPlanError where a setting or an option of the adapter differs.

        config: the adapter's; training: as JSON, with `TaskPlan.start`.
        """
        known = {"init_from": None, **options.flat(training), "adapter": adapter}
        changes = differing(known, _said(self.flags), flag) | differing(known, _said(self.settings), "-t {}".format)
        if self.flags.get("adapter", adapter) == adapter:  # another adapter's options are not comparable
            said = self.options
            values = said if isinstance(said, Mapping) else options.values(type(config), said)
            now = options.to_json(options.changed(config, values))  # an option may settle others, as `init=paper` does
            given = {key: now[key] for key in values if now[key] is not None}  # None leaves it to the network's size
            changes |= differing(options.to_json(config), given, "-o {}".format)
        if changes:
            raise ChangedPlanError(changes)

    def check_shots(self, identity: str | None, resolution: int) -> None:
        """OtherShotsError where the pictures differ."""
        if self.images is not None and load_images(self.images, resolution).identity != identity:
            raise OtherShotsError(self.images)

    def check_start(self, workspace: Workspace, name: str, sha256: str | None) -> None:
        """OtherStartError where the task that is repeated with --init-from was learned anew, but by this run."""
        source = self.flags.get("init_from")
        if source not in {None, name}:
            check_same(workspace, source, sha256)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that leave the choice to the program: a run goes on with what was chosen when it began."""
    return {key: value for key, value in values.items() if value not in (CHOSEN, None)}
