"""Training from Python: learn a task, pretrain a base."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from lfsgan_cli.api.arguments import CallError, Opened, PathLike, path_of
from lfsgan_cli.options import spell

if TYPE_CHECKING:
    from PIL.Image import Image

    from lfsgan_cli.images.summary import ImageSummary
    from lfsgan_cli.runs.estimate import Estimate
    from lfsgan_cli.runs.learn_task import TaskRun
    from lfsgan_cli.runs.pretrain import PretrainRun
    from lfsgan_cli.runs.queue import Expected, Outcome, QueuedTask
    from lfsgan_cli.runs.session import Session
    from lfsgan_cli.training.loop import Step
    from lfsgan_cli.workspace.base_file import BaseSummary
    from lfsgan_cli.workspace.task_file import TaskSummary


@dataclass(frozen=True)
class Progress:
    """How far a training run is, after a step. losses: name and value; reading them makes a GPU wait."""

    done: int
    total: int
    _losses: Mapping[str, Any]

    @property
    def losses(self) -> dict[str, float]:
        """The losses of the step."""
        return {name: float(loss) for name, loss in self._losses.items()}


@dataclass(frozen=True)
class PlannedRun:
    """What a run would do. changes: what differs from the defaults, as options of the command.

    preview: the images as training sees them, for a task.
    """

    images: ImageSummary
    changes: list[str]
    estimate: Estimate
    preview: Image | None


class TrainingOptions(TypedDict, total=False):
    """Keyword arguments of `learn_task` and `pretrain`; what is left out is as in the commands.

    tensorboard: True logs for TensorBoard into the run's folder, a folder below that folder.
    """

    batch: int
    lr: float
    seed: int
    mirror: bool
    fit: Literal["crop", "pad", "stretch"]
    crop_position: str
    precision: Literal["auto", "fp32", "bf16"]
    save_every: float
    keep_checkpoint: bool
    tensorboard: PathLike | bool
    resume: bool
    overwrite: bool


class LearnOptions(TrainingOptions, total=False):
    """Keyword arguments of `learn_task`; what is left out is as in `lfsgan learn-task`.

    adapter_options, settings: as `-o` and `-t` take them, under the names of `lfsgan adapters NAME` and
    `lfsgan recipes`. threads: of the CPU, recorded, since another number ends in other bytes.
    """

    adapter: str
    adapter_options: Mapping[str, Any]
    recipe: str
    settings: Mapping[str, Any]
    init_from: str
    steps: int
    threads: int
    snapshot_every: int
    snapshots: int


class PretrainOptions(TrainingOptions, total=False):
    """Keyword arguments of `pretrain`; what is left out is as in `lfsgan pretrain`."""

    name: str
    resolution: int
    channels: int
    latent: int
    mapping_layers: int
    kimg: float
    r1_gamma: float
    path_weight: float
    feature_weight: float
    augment: Literal["none", "ada"]
    reconstruction_kimg: float
    reconstruction_weight: float
    decay: float
    init_from: PathLike
    skip: Sequence[str]


class Training(Opened):
    """Learning tasks and pretraining a base."""

    def learn_task(
        self,
        name: str,
        images: PathLike | Sequence[PathLike] | None = None,
        *,
        progress: Callable[[Progress], object] | None = None,
        **options: Unpack[LearnOptions],
    ) -> TaskSummary:
        """Learn a task from folders, zip files or single images; the summary of its file.

        images: may be left out with `resume=True`. progress: called after every step.
        """
        from lfsgan_cli.runs.session import result_of

        return result_of(self.iter_learn_task(name, images, **options), progress or _ignore)

    def iter_learn_task(
        self, name: str, images: PathLike | Sequence[PathLike] | None = None, **options: Unpack[LearnOptions]
    ) -> Generator[Progress, None, TaskSummary]:
        """As `learn_task`, to iterate over: yields after every step.

        A loop that is left early keeps the last checkpoint: resume it with `resume=True`.
        """
        from lfsgan_cli.runs.learn_task import Learner
        from lfsgan_cli.runs.session import seen_as
        from lfsgan_cli.system.device import threads
        from lfsgan_cli.workspace.locks import hold_tasks
        from lfsgan_cli.workspace.task_file import TaskSummary

        how, run = _split(options)
        taken = {key: how.pop(key) for key in ("snapshot_every", "snapshots") if key in how}
        with hold_tasks(self.root, name):
            job = self._open_task(name, images, how, run)
            if isinstance(job, TaskSummary):
                return job
            with threads(job.plan.threads):
                learner = Learner(job, self._pick(), **taken)
                _log_to(learner, run.tensorboard, name)
                again = f"{self!r}.learn_task({name!r}, resume=True)"
                steps = learner.complete(
                    save_every=run.save_every, resume_command=again, keep_checkpoint=run.keep_checkpoint
                )
                return (yield from seen_as(steps, _view(learner.total)))

    def learn_all(
        self,
        tasks: PathLike | Mapping[str, PathLike | Sequence[PathLike]],
        *,
        jobs: int | None = None,
        ray: str | None = None,
        gpus: float = 0.0,
        progress: Callable[[Outcome], object] | None = None,
        **options: Unpack[LearnOptions],
    ) -> list[Outcome]:
        """Learn many tasks, each in a process of its own, as `lfsgan learn-all` does; what became of each.

        tasks: a folder with a folder of images for each, a TOML file, or the images by the tasks' names. jobs: tasks at
        a time; None is one, or what fits on a cluster. ray: the address of a Ray cluster, or "local"; gpus: of each
        task there. progress: called with each outcome as it comes. A task that fails does not raise: its outcome says
        why.
        """
        from contextlib import closing

        from lfsgan_cli.runs.queue import THREADS
        from lfsgan_cli.runs.workers import RayWorker, Worker

        found, threads = self._tasks(tasks, options), options.get("threads", THREADS)
        worker = (
            Worker(self.root, found, jobs=jobs or 1, threads=threads, device=self.device)
            if ray is None
            else RayWorker(self.root, found, ray, jobs=jobs, threads=threads, device=self.device, gpus=gpus)
        )
        outcomes = []
        with closing(worker.run()) as events:
            for outcome in events:
                if outcome is not None:
                    outcomes.append(outcome)
                    if progress is not None:
                        progress(outcome)
        return outcomes

    def plan_all(
        self, tasks: PathLike | Mapping[str, PathLike | Sequence[PathLike]], **options: Unpack[LearnOptions]
    ) -> Expected:
        """What `learn_all` would need on this machine, as the command says it with `--dry-run`; nothing is written."""
        from lfsgan_cli.runs.queue import THREADS, Queue
        from lfsgan_cli.system.device import threads

        count = options.get("threads", THREADS)
        with threads(count):
            return Queue(self.root, self._tasks(tasks, options), threads=count).expected(self._pick())

    def _tasks(
        self, tasks: PathLike | Mapping[str, PathLike | Sequence[PathLike]], options: Mapping[str, Any]
    ) -> list[QueuedTask]:
        from lfsgan_cli.runs.queue import QueuedTask, check_tasks, read_tasks

        if options.get("resume") or options.get("overwrite"):
            raise CallError("learn_all takes neither resume nor overwrite: it resumes by itself, and replaces nothing")
        common = {key: value for key, value in options.items() if key not in ("resume", "overwrite")}
        common |= {
            name: [f"{key}={spell(value)}" for key, value in options[given].items()]
            for given, name in (("settings", "settings"), ("adapter_options", "pairs"))
            if given in options
        }
        common.pop("adapter_options", None)
        if log := common.pop("tensorboard", False):
            common["tensorboard"] = "auto" if log is True else str(path_of(log))
        if isinstance(tasks, Mapping):
            several = {name: [images] if isinstance(images, str | Path) else images for name, images in tasks.items()}
            found = [QueuedTask(name, tuple(map(path_of, images)), common) for name, images in several.items()]
        else:
            found = list(read_tasks(path_of(tasks), common).tasks)
        check_tasks(Path("tasks") if isinstance(tasks, Mapping) else path_of(tasks), found, self._place())
        return found

    def pretrain(
        self,
        data: PathLike,
        *,
        progress: Callable[[Progress], object] | None = None,
        **options: Unpack[PretrainOptions],
    ) -> BaseSummary:
        """Train a base on a folder or zip file of images; the summary of its file.

        progress: called after every step. Processes that torchrun started train together, as with the command.
        """
        from lfsgan_cli.runs.session import result_of

        return result_of(self.iter_pretrain(data, **options), progress or _ignore)

    def iter_pretrain(
        self, data: PathLike, **options: Unpack[PretrainOptions]
    ) -> Generator[Progress, None, BaseSummary]:
        """As `pretrain`, to iterate over: yields after every step; see `iter_learn_task`."""
        from lfsgan_cli.runs.pretrain import Pretrainer
        from lfsgan_cli.runs.session import seen_as
        from lfsgan_cli.system.distributed import joined
        from lfsgan_cli.workspace.base_file import BaseSummary
        from lfsgan_cli.workspace.locks import hold_base

        how, run = _split(options)
        with joined(self._pick()) as ranks, hold_base(self.root) if ranks.first else nullcontext():
            job = self._open_base(data, how, run)
            if isinstance(job, BaseSummary):
                return job
            trainer = Pretrainer(job, self._pick(), ranks)
            _log_to(trainer, run.tensorboard, job.plan.name)
            again = f"{self!r}.pretrain({str(data)!r}, resume=True)"
            steps = trainer.complete(
                save_every=run.save_every, resume_command=again, keep_checkpoint=run.keep_checkpoint
            )
            return (yield from seen_as(steps, _view(trainer.total)))

    def plan_task(
        self, name: str, images: PathLike | Sequence[PathLike] | None = None, **options: Unpack[LearnOptions]
    ) -> PlannedRun:
        """What `learn_task` would do, as the command says it with `--dry-run`; nothing is written."""
        from PIL import Image

        from lfsgan_cli.generation.output import grid, near_square
        from lfsgan_cli.runs.estimate import of_task
        from lfsgan_cli.workspace.task_file import TaskSummary

        how, run = _split(options)
        how = {key: value for key, value in how.items() if key not in ("snapshot_every", "snapshots")}
        job = self._open_task(name, images, how, run)
        if isinstance(job, TaskSummary):
            raise CallError(f"task {name!r} is learned already, nothing is left to do")
        device = self._pick()
        preview = Image.fromarray(grid(near_square(list(job.shots.pictures))))
        return PlannedRun(job.shots.summary, job.changes(device), of_task(job, device), preview)

    def plan_pretrain(self, data: PathLike, **options: Unpack[PretrainOptions]) -> PlannedRun:
        """What `pretrain` would do, as the command says it with `--dry-run`; nothing is written."""
        from lfsgan_cli.images.dataset import check
        from lfsgan_cli.workspace.base_file import BaseSummary

        job = self._open_base(data, *_split(options))
        if isinstance(job, BaseSummary):
            raise CallError("the base is trained already, nothing is left to do")
        return PlannedRun(check(job.pictures), job.changes(), job.estimate(self._pick()), None)

    def _open_task(
        self, name: str, images: PathLike | Sequence[PathLike] | None, how: dict[str, Any], run: _Run
    ) -> TaskRun | TaskSummary:
        from lfsgan_cli.runs.learn_task import open_run

        pairs, settings = (
            [f"{key}={spell(value)}" for key, value in how.pop(name, {}).items()]
            for name in ("adapter_options", "settings")
        )
        if images is None and not run.resume:
            raise CallError(f"task {name!r} has no images to learn from: pass a folder or a zip file")
        found = None
        if images is not None:
            found = [path_of(images)] if isinstance(images, str | Path) else list(map(path_of, images))
        return open_run(
            self._place(), name, found, how, pairs, settings,
            device=self._pick(), resume=run.resume, overwrite=run.overwrite,
        )  # fmt: skip

    def _open_base(self, data: PathLike, how: dict[str, Any], run: _Run) -> PretrainRun | BaseSummary:
        from lfsgan_cli.runs.pretrain import open_run

        skip = how.pop("skip", ())
        if skip and not run.resume:
            raise CallError("skip is passed without resume: remove the file instead, or pass resume=True")
        if "init_from" in how:
            how["init_from"] = path_of(how["init_from"])
        return open_run(
            self._place(), path_of(data), how, device=self._pick(), resume=run.resume, overwrite=run.overwrite,
            skip=skip,
        )  # fmt: skip


def _view(total: int) -> Callable[[Step], Progress]:
    return lambda step: Progress(step.done, total, step.losses)


def _log_to(session: Session[Any], folder: PathLike | bool, name: str) -> None:
    from lfsgan_cli.runs.session import TENSORBOARD, Tensorboard

    if folder is not False:
        session.tensorboard = Tensorboard(
            session.folder.path / TENSORBOARD if folder is True else path_of(folder) / name
        )


def _ignore(_progress: Progress) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True)
class _Run:
    """How a training is run, whatever it trains."""

    resume: bool = False
    overwrite: bool = False
    save_every: float = 120.0
    keep_checkpoint: bool = True
    tensorboard: PathLike | bool = False


def _split(options: Mapping[str, Any]) -> tuple[dict[str, Any], _Run]:
    """The settings of a training, and how it is run."""
    names = [name for name in _Run.__dataclass_fields__ if name in options]
    run = _Run(**{name: options[name] for name in names})
    if run.resume and run.overwrite:
        raise CallError("resume and overwrite are both true: pass one of them, since they contradict each other")
    settings = {key: value for key, value in options.items() if key not in names}
    return settings, run
