"""Learning a task: its plan, checked before work begins, and the run from its first step to the task's file."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lfsgan_cli import options, registry
from lfsgan_cli.adapter import Adapter, construct, read_config
from lfsgan_cli.apply import adapt
from lfsgan_cli.evaluation.retention_record import forget, record
from lfsgan_cli.generation.output import encode
from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.images.dataset import LoadedImages, load_images
from lfsgan_cli.images.framing import DEFAULT_FRAMING as CROPPED
from lfsgan_cli.images.framing import Framing
from lfsgan_cli.io.files import write_atomic
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.runs import snapshots as snapshots_of
from lfsgan_cli.runs.folder import RunFolder
from lfsgan_cli.runs.plan import (
    BaseInTrainingError,
    ChangedImagesError,
    ImportedTaskError,
    NoCheckpointError,
    OtherBaseError,
    OtherStartError,
    Plan,
    SourceAdapterError,
    SourceOptionsError,
    flag,
)
from lfsgan_cli.runs.session import Session
from lfsgan_cli.system.machine import this_machine
from lfsgan_cli.training.batches import Advance, reference_images
from lfsgan_cli.training.config import CHOSEN, LearnConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.perceptual import perceptual_distance_to
from lfsgan_cli.training.recipes import DEFAULT, TaskRecipe, setting_values, task_recipe
from lfsgan_cli.workspace import manage, task_file
from lfsgan_cli.workspace.paths import FEW_SHOTS, find_task, task_path
from lfsgan_cli.workspace.task_file import TaskFile, TaskInfo, TaskSummary
from lfsgan_cli.workspace.workspace import Workspace

GRIDS = 4  # image grids, and snapshots, in one run unless the user says otherwise
# Settings with an option of their own; all others are passed by -t.
FLAGS = ("recipe", "steps", "batch", "lr", "seed", "mirror", "precision")
NO_SETTINGS = ("recipe", "adapter", "init_from", "threads")  # options that are no settings of the training


@dataclass(frozen=True)
class TaskPlan(Plan):
    """What is to be learned: all that the task's bytes depend on.

    options: of the adapter, an instance of its `Config`. shots: identity of the images. base: identity. init_from,
    init_from_sha256: the task whose weights it starts from, and the hash of its tensors; None is the base. lengthened:
    for each end that was planned before, `steps`, and the step `at` which the run was given more. threads: of the CPU,
    since another number rounds otherwise; None is what torch finds on the machine.
    """

    END: ClassVar[str] = "--steps"

    name: str
    adapter: str
    options: Any
    training: LearnConfig
    shots: str
    base: str
    recipe: str = DEFAULT
    init_from: str | None = None
    init_from_sha256: str | None = None
    framing: Framing = CROPPED
    lengthened: Sequence[Mapping[str, int]] = ()
    threads: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """See `Plan`."""
        training = {"recipe": self.recipe, **options.flat(self.training.to_json())}
        return {
            "--adapter": self.adapter,
            **{flag(key) if key in FLAGS else f"-t {key}": value for key, value in training.items()},
            **{f"-o {key}": value for key, value in options.to_json(self.options).items()},
            "--images": self.shots,
            "--init-from": self.init_from,
            "--fit": self.framing.fit,
            "--crop-position": self.framing.crop_position,
            "--threads": self.threads,
        }

    @property
    def steps(self) -> int:
        """See `Plan`."""
        return self.training.steps

    def at(self, done: int) -> float:
        """See `Plan`: steps."""
        return done

    @property
    def record(self) -> dict[str, Any]:
        """What a task's file records of its training, beside the number of images."""
        start = (
            {} if self.init_from is None else {"init_from": self.init_from, "init_from_sha256": self.init_from_sha256}
        )
        more = {"lengthened": list(self.lengthened)} if self.lengthened else {}
        about: dict[str, Any] = {"recipe": self.recipe, "shots": self.shots, **self.framing.changes()}
        about |= {"threads": self.threads} if self.threads else {}
        return {**self.training.to_json(), **about, **start, **more}

    @classmethod
    def of_task(cls, info: TaskInfo) -> TaskPlan:
        """The plan that a task was learned by; ImportedTaskError where it was not learned by lfsgan."""
        if "recipe" not in info.training:
            raise ImportedTaskError(info.name)
        known = {name: info.training[name] for name in LearnConfig.__dataclass_fields__ if name in info.training}
        rest = ("shots", "recipe", "init_from", "init_from_sha256", "fit", "crop_position", "lengthened", "threads")
        return cls.from_json({
            "name": info.name, "adapter": info.adapter, "options": info.config, "base": info.base.identity,
            "training": known, **{key: info.training[key] for key in rest if key in info.training},
        })  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` is the way back."""
        lengthened = [dict(each) for each in self.lengthened]
        document = {**asdict(self), "options": options.to_json(self.options), "lengthened": lengthened}
        del document["framing"]
        document |= self.framing.changes()
        return {key: value for key, value in document.items() if value is not None and value != []}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TaskPlan:
        """Back from `to_json`."""
        config = read_config(registry.load(document["adapter"]), document["options"])
        training = options.from_json(LearnConfig, document["training"])
        framing, rest = Framing.taken_from(document)
        lengthened = tuple(document.get("lengthened", ()))
        return cls(**{**rest, "options": config, "training": training, "lengthened": lengthened}, framing=framing)

    def lengthened_to(self, other: TaskPlan, done: int) -> TaskPlan:
        """See `Plan`."""
        before = {"steps": self.training.steps, "at": done}
        training = replace(self.training, steps=other.training.steps)
        return replace(self, training=training, lengthened=(*self.lengthened, before))


@dataclass(frozen=True)
class Repeated:
    """What the user passes along with `--resume`, to be compared with the plan of the run.

    flags: of options of their own, and settings: of `-t`, both by the names of the plan and its training. options: of
    `-o`, as `key=value` pairs, which are read with the run's own adapter, or as values. images: the training images.
    """

    flags: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] | Mapping[str, Any] = ()
    images: Path | Sequence[Path] | None = None

    def asked(self, plan: TaskPlan, workspace: Workspace) -> TaskPlan:
        """The plan with what the user says in it; what is left to the program stays as it was chosen.

        OtherStartError where the task that `--init-from` names again was learned anew, but by this run.
        """
        said = {key: value for key, value in {**self.flags, **self.settings}.items() if value not in (CHOSEN, None)}
        framing, said = Framing.taken_from(said, plan.framing)
        adapter, start = said.pop("adapter", plan.adapter), said.pop("init_from", plan.init_from)
        recipe = said.pop("recipe", plan.recipe)
        asked = replace(plan, adapter=adapter, init_from=start, recipe=recipe, framing=framing)
        asked = replace(asked, threads=said.pop("threads", plan.threads))
        asked = replace(asked, training=options.changed(plan.training, said))
        if adapter == plan.adapter:
            named = self.options
            values = named if isinstance(named, Mapping) else options.values(type(plan.options), named)
            now = options.to_json(options.changed(plan.options, values))  # an option may settle others, as `init=paper`
            given = {key: now[key] for key in values if now[key] is not None}  # None leaves it to the network's size
            asked = replace(asked, options=replace(plan.options, **given))
        if "init_from" in self.flags and start is not None and start == plan.init_from != plan.name:
            source = TaskFile.open(find_task(workspace.root, start))
            if source.sha256 != plan.init_from_sha256:
                raise OtherStartError(start)
        if self.images is not None:
            resolution = workspace.base.average.config.resolution
            asked = replace(asked, shots=load_images(self.images, resolution, asked.framing).identity)
        return asked


@dataclass(frozen=True)
class TaskRun:
    """A plan with everything it needs, checked and loaded; nothing is written yet.

    start: for a new run, the state of the adapter that it starts from; None is the adapter as it is constructed.
    """

    workspace: Workspace
    plan: TaskPlan
    shots: LoadedImages
    folder: RunFolder
    resumed: bool
    start: Mapping[str, Tensor] | None = None

    def changes(self, device: torch.device) -> list[str]:
        """The options of `learn-task` that differ from its defaults, or from the recipe, as they are written."""
        plan, network = self.plan, self.workspace.base.average.config
        usual = task_recipe(plan.recipe, plan.adapter, [], [], {}).resolved(device, network)
        settled = registry.load(plan.adapter).settled(usual.options, network)
        recipe = [] if plan.recipe == DEFAULT else [f"--recipe {plan.recipe}"]
        return recipe + plan.changes(
            replace(plan, options=settled, training=usual.training, init_from=None, framing=CROPPED)
        )


def plan_task(
    workspace: Workspace,
    images: Path | Sequence[Path],
    name: str,
    way: TaskRecipe,
    *,
    overwrite: bool,
    init_from: str | None = None,
    framing: Framing = CROPPED,
    threads: int | None = None,
) -> TaskRun:
    """Check a new task, which starts at the base or at the task `init_from`.

    Raises one-line errors for names, options, images, bases and starts that cannot be used.
    """
    manage.check_free(workspace.root, name, overwrite=overwrite)
    if not workspace.base_path.exists() and RunFolder(workspace.base_run).unfinished:
        raise BaseInTrainingError(workspace.root)
    base = workspace.base
    config = registry.load(way.adapter).settled(way.options, base.average.config)
    plan = TaskPlan(name, way.adapter, config, way.training, "", base.identity, way.recipe)
    start = None
    if init_from is not None:
        source = _source(workspace, init_from, plan)
        start = source.adapter(base.average).state_dict()
        plan = replace(plan, init_from=init_from, init_from_sha256=source.sha256)
    shots = load_images(images, base.average.config.resolution, framing)
    way.check(base.average)
    plan = replace(plan, shots=shots.identity, framing=framing, threads=threads)
    return TaskRun(workspace, plan, shots, RunFolder(workspace.task_run(name)), resumed=False, start=start)


def _source(workspace: Workspace, name: str, plan: TaskPlan) -> TaskFile:
    """The task to start from; SourceAdapterError, SourceOptionsError, and as `Workspace.open_task` raises."""
    source = workspace.open_task(name)
    if source.info.adapter != plan.adapter:
        raise SourceAdapterError(name, source.info.adapter, plan.adapter)
    theirs = read_config(registry.load(plan.adapter), source.info.config)
    changes = replace(plan, options=theirs).differences(plan, only="-o ")
    if changes:
        raise SourceOptionsError(name, changes)
    return source


def resume_task(workspace: Workspace, name: str, repeated: Repeated) -> TaskRun:
    """Check an unfinished run, or a finished one that gets more steps, and what the user repeats along with it."""
    folder = RunFolder(workspace.task_run(name))
    plan = folder.plan(TaskPlan.from_json)
    asked = repeated.asked(plan, workspace)
    plan = plan.resumed_as(asked, folder.checkpoint_step or 0)
    if workspace.base.identity != plan.base:
        raise OtherBaseError(name, plan.base, workspace.base.identity)
    shots = load_images(folder.path / FEW_SHOTS, workspace.base.average.config.resolution, use="own")
    if shots.identity != plan.shots:
        raise ChangedImagesError(folder.path / FEW_SHOTS)
    return TaskRun(workspace, plan, shots, folder, resumed=True)


def open_run(
    workspace: Workspace,
    name: str,
    images: Path | Sequence[Path] | None,
    said: Mapping[str, Any],
    pairs: Sequence[str],
    settings: Sequence[str],
    *,
    device: torch.device,
    resume: bool,
    overwrite: bool,
) -> TaskRun | TaskSummary:
    """The run that a command or a script asks for, new or resumed; the summary if nothing is left to do.

    said: the options that the user passes, under the names of `LearnConfig`, with those of `NO_SETTINGS`; pairs: of
    `-o`, settings: of `-t`. Without images it is resumed. Raises as `plan_task` and `resume_task`.
    """
    if resume or images is None:
        repeated = Repeated(said, setting_values(settings), pairs, images)
        done = check_learned(workspace, name, repeated) if is_learned(workspace, name) else None
        return done or resume_task(workspace, name, repeated)
    framing, rest = Framing.taken_from(said)
    given = {key: value for key, value in rest.items() if key not in NO_SETTINGS}
    way = task_recipe(said.get("recipe", DEFAULT), said.get("adapter", "left"), pairs, settings, given)
    fitted = way.resolved(device, workspace.base.average.config)
    more = {key: said[key] for key in ("init_from", "threads") if key in said}
    return plan_task(workspace, images, name, fitted, overwrite=overwrite, framing=framing, **more)


def is_learned(workspace: Workspace, name: str) -> bool:
    """Whether the task's file is there and no newer run of that name was begun."""
    return task_path(workspace.root, name).is_file() and not RunFolder(workspace.task_run(name)).unfinished


def check_learned(workspace: Workspace, name: str, repeated: Repeated) -> TaskSummary | None:
    """The summary of a learned task, of which the user repeats the settings; None where they ask for more steps.

    Raises ChangedPlanError where they ask for anything else, NoCheckpointError for more steps without a checkpoint.
    """
    workspace.info(name)  # BaseMismatchError
    task = task_file.read_summary(find_task(workspace.root, name))
    plan = TaskPlan.of_task(task.info)
    asked = repeated.asked(plan, workspace)
    if plan.resumed_as(asked, plan.training.steps) == plan:
        return task
    if RunFolder(workspace.task_run(name)).checkpoint_step is None:
        raise NoCheckpointError(f"task {name!r}")
    return None


class Learner(Session[TaskSummary]):
    """A task's run at work.

    snapshot_every: steps between two snapshots, a quarter of the run if None. snapshots: how many are kept, the last
    ones. advance: told of the work before the first step, `anchor_work` images in all.
    """

    grid_seeds = range(32)

    def __init__(
        self,
        job: TaskRun,
        device: torch.device,
        *,
        snapshot_every: int | None = None,
        snapshots: int = GRIDS,
        advance: Advance = lambda _images: None,
    ) -> None:
        self.job = job
        base, training, images = job.workspace.base, job.plan.training, job.shots.pictures
        self.adapter = _seeded_adapter(job, base.average).to(device)
        self.base = base.average.to(device)
        self.run = Learning(
            self.base if training.generator == "ema" else base.live.to(device),
            self.adapter,
            copy.deepcopy(base.discriminator).to(device),
            list(images),
            perceptual_distance_to(reference_images(images, training.seed), training.perceptual, device),
            training,
            advance,
            registry.load_recipe(job.plan.recipe).loss,
        )
        super().__init__(job.folder, job.plan, self.run, device, resumed=job.resumed)
        self.grid_note = {"task": job.plan.name}
        self._grid_every = max(1, -(-self.run.total // GRIDS))
        self._snapshot_every, self._snapshots = snapshot_every or self._grid_every, snapshots
        if job.resumed:
            snapshots_of.cut(job.folder.path, self.run.done)

    def begin(self) -> None:
        """Put the base into the workspace, and the images into the run's folder."""
        self.job.workspace.ensure_base()
        self.folder.prepare()
        (self.folder.path / FEW_SHOTS).mkdir()
        for index, image in enumerate(self.job.shots.pictures):
            write_atomic(self.folder.path / FEW_SHOTS / f"{index:06}.png", encode(image, {}))

    def after(self, done: int) -> None:
        """Image grids and snapshots; those of the last step are `finish`'s."""
        if done == self.total:
            return
        if done % self._grid_every == 0:
            self.image_grid()
        if self._snapshots and done % self._snapshot_every == 0:
            # A copy: storing rounds the adapter, and the run must go on as it would without snapshots.
            learned = copy.deepcopy(self.run.learned)
            self._write(snapshots_of.path_of(self.folder.path, done), learned, {"snapshot": done})
            snapshots_of.prune(self.folder.path, self._snapshots)

    def view(self) -> Generator:
        """The base with what was learned so far."""
        return adapt(self.base, self.run.learned)

    def finish(self, seconds: float, *, keep_checkpoint: bool = False) -> None:
        """See `Session`; what the task generates is recorded, so that `evaluate --retention` can compare."""
        workspace, name = self.job.workspace, self.job.plan.name
        path = task_path(workspace.root, name)
        forget(workspace, name)  # of a run that was lengthened: the file is not what was recorded any more
        self._write(path, self.run.learned, {})
        record(workspace, name, self.device)
        self.image_grid()
        if self._snapshots:
            snapshot = snapshots_of.path_of(self.folder.path, self.total)
            snapshot.parent.mkdir(exist_ok=True)
            write_atomic(snapshot, path.read_bytes())
            snapshots_of.prune(self.folder.path, self._snapshots)
        document = {"plan": self.job.plan.to_json(), "device": this_machine(self.device).device}
        self.folder.finish(document, seconds, keep_checkpoint=keep_checkpoint)

    def result(self) -> TaskSummary:
        """See `Session`."""
        return task_file.read_summary(task_path(self.job.workspace.root, self.job.plan.name))

    def _write(self, path: Path, learned: Adapter, about: Mapping[str, Any]) -> None:
        """Write an adapter as a task's file, and round it. about: what its training's record says beside the plan."""
        plan = self.job.plan
        tensors = {name: tensor.cpu() for name, tensor in learned.round_off().items()}
        tensors[task_file.W_MEAN] = mean_w(adapt(self.base, learned)).cpu()
        training = {**plan.record, "shot_count": len(self.job.shots.names), **about}
        version, base = str(self.adapter.version), self.job.workspace.base_info
        path.parent.mkdir(exist_ok=True)
        config = options.to_json(plan.options)
        task_file.write(path, TaskInfo(plan.name, plan.adapter, version, config, base, training), tensors)


def _seeded_adapter(job: TaskRun, base: Generator) -> Adapter:
    cls = registry.load(job.plan.adapter)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.plan.training.seed)
        adapter = construct(cls, base, job.plan.options)
    if job.start is not None:
        adapter.load_state_dict(dict(job.start))
    return adapter
