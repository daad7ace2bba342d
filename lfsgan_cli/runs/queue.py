"""Many tasks to learn: read from a folder or a file, checked before work begins, and what is left of them to do.

The workspace is the queue: a task is finished once its file is there, and at work while its name is locked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_type_hints

from lfsgan_cli import options
from lfsgan_cli.errors import LfsganError, choices, one_line, quoted
from lfsgan_cli.images.framing import CropPosition, Fit, Framing
from lfsgan_cli.images.source import SourceNotFoundError
from lfsgan_cli.io.files import check_name, read_plain
from lfsgan_cli.io.json import loads_toml
from lfsgan_cli.runs.estimate import of_task
from lfsgan_cli.runs.folder import RunFolder
from lfsgan_cli.runs.learn_task import FLAGS, NO_SETTINGS, Repeated, TaskRun, check_learned, is_learned, open_run
from lfsgan_cli.runs.plan import BaseInTrainingError
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import DEFAULT, setting_values, spelled, task_recipe
from lfsgan_cli.workspace import listing
from lfsgan_cli.workspace.manage import ReservedNameError
from lfsgan_cli.workspace.paths import BASE_FILE, stands_for, task_path
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    import torch

THREADS = 1  # of a task, if the user says nothing: the same for any number of jobs, so that bytes are the same
SHOWN = 3  # tasks that a message names
MOST_BYTES = 1 << 26  # of a file of tasks
_PAIRS = {"pairs": "-o", "settings": "-t"}
# What a file of tasks may set beside these: the options of `learn-task` that mean something for many tasks.
_TYPES: Mapping[str, options.OptionType] = {
    name: options.option_type(hint)
    for name, hint in {
        **{name: hint for name, hint in get_type_hints(LearnConfig, include_extras=True).items() if name in FLAGS},
        **dict.fromkeys(("recipe", "adapter", "init_from"), str),
        "fit": Fit,
        "crop_position": CropPosition,
        "threads": int,
        "save_every": float,
        "keep_checkpoint": bool,
        "snapshot_every": int,
        "snapshots": int,
        "tensorboard": str,
    }.items()
}
_PLAN = {*FLAGS, *NO_SETTINGS, "fit", "crop_position"}  # what the task's bytes depend on, but for `-o` and `-t`
_OF_IMAGES = ("shots", "shot_count")  # what differs between tasks that one command learned


class TasksError(LfsganError):
    """A folder or file of tasks that cannot be learned as it stands."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r}: {reason}")


@dataclass(frozen=True)
class QueuedTask:
    """A task to be learned. settings: the options that the user passes, under the parameter names of `learn-task`.

    pairs: of `-o`, settings: of `-t`, as lists of `key=value`.
    """

    name: str
    images: tuple[Path, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Any]:
        """What the task's plan depends on, but for `-o` and `-t`."""
        return {name: value for name, value in self.settings.items() if name in _PLAN}

    def pairs(self, name: str) -> list[str]:
        """Those of `-o` or `-t`."""
        return list(self.settings.get(name, ()))

    def words(self, *, resume: bool, threads: int) -> list[str]:
        """The command line of `learn-task`, but for the workspace and the device.

        threads: of a new run for which the user says nothing; an interrupted one resumes with its own.
        """
        named = {**self.settings} if resume else {"threads": threads, **self.settings}
        words = ["learn-task", "--name", self.name, *(["--resume"] if resume else [])]
        words += [word for path in self.images for word in ("--images", str(path.absolute()))]
        for name, value in named.items():
            option = name.replace("_", "-")
            if name in _PAIRS:
                words += [word for pair in value for word in (_PAIRS[name], pair)]
            elif name == "tensorboard":
                words += ["--tensorboard", value if value == "auto" else str(Path(value).absolute())]
            elif isinstance(value, bool):
                words.append(f"--{option}" if value else f"--no-{option}")
            else:
                words += [f"--{option}", options.spell(value)]
        return words


@dataclass(frozen=True)
class TaskList:
    """Tasks, and the names of files in their folder that are none."""

    tasks: tuple[QueuedTask, ...]
    skipped: tuple[str, ...] = ()


def read_tasks(source: Path, common: Mapping[str, Any]) -> TaskList:
    """The tasks of a folder (each folder or zip file in it is one, of that name), or of a TOML file. TasksError.

    common: settings of all tasks, which those of a file override.
    """
    try:
        if source.is_dir():
            return _in_folder(source, common)
        values = loads_toml(read_plain(source, MOST_BYTES))
    except OSError as error:
        way = "expected a folder with a folder of images for each task, or a TOML file of tasks"
        raise TasksError(source, f"{error.strerror or 'it cannot be read'}; {way}") from error
    except ValueError as error:
        raise TasksError(source, f"expected TOML, and it is none: {one_line(str(error))[:200]}") from error
    tables = values.get("task")
    if values.keys() != {"task"} or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise TasksError(source, "expected [[task]] tables, each with name and images, and nothing else")
    try:
        return TaskList(tuple(_of_table(table, source.parent, common) for table in tables))
    except LfsganError as error:
        raise TasksError(source, str(error)) from error


def _in_folder(folder: Path, common: Mapping[str, Any]) -> TaskList:
    found = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "__MACOSX")
    used = [
        path
        for path in found
        if (path.is_dir() and not (path / BASE_FILE).is_file()) or (path.is_file() and path.suffix.lower() == ".zip")
    ]
    if not used:
        one = f"for one task, `lfsgan learn-task --images {folder} --name NAME`"
        raise TasksError(folder, f"no folder or zip file of images in it, of which each would be a task; {one}")
    tasks = (QueuedTask(path.name if path.is_dir() else path.stem, (path,), common) for path in used)
    rest = set(found) - set(used)
    return TaskList(tuple(tasks), tuple(path.name for path in found if path in rest))


def _of_table(table: Mapping[str, Any], folder: Path, common: Mapping[str, Any]) -> QueuedTask:
    rest = {key.replace("-", "_"): value for key, value in table.items()}
    name, images = rest.pop("name", None), rest.pop("images", None)
    several = [images] if isinstance(images, str) else images
    paths = isinstance(several, list) and several and all(isinstance(path, str) for path in several)
    if not isinstance(name, str) or not paths:
        raise LfsganError(f"[[task]] with name {quoted(name)} and images {quoted(images)}: expected two texts")
    merged = dict(common)
    for key, param in {"options": "pairs", "training": "settings"}.items():
        own = rest.pop(key, {})
        if not isinstance(own, dict):
            raise LfsganError(f"task {name!r}: {key} is {quoted(own)}, expected a table")
        if own:
            before = dict(pair.partition("=")[::2] for pair in common.get(param, ()))
            merged[param] = [f"{key}={text}" for key, text in {**before, **_texts(own)}.items()]
    for key, value in rest.items():
        if key not in _TYPES:
            known = ("name", "images", "options", "training", *_TYPES)
            raise LfsganError(f"task {name!r}: unknown key {quoted(key)}; the known ones are: {choices(known, key)}")
        try:
            merged[key] = _TYPES[key].check(value)
        except ValueError as error:
            raise LfsganError(f"task {name!r}: {key} is {quoted(value)}, expected {_TYPES[key]}") from error
    return QueuedTask(name, tuple(folder / Path(path).expanduser() for path in several), merged)


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in spelled(table))


def check_tasks(source: Path, tasks: Sequence[QueuedTask], workspace: Workspace) -> None:
    """Refuse names, settings and images that cannot be used, before anything starts: TasksError names the tasks."""
    if not workspace.base_path.exists() and RunFolder(workspace.base_run).unfinished:
        raise BaseInTrainingError(workspace.root)
    names, fine, wrong = [task.name for task in tasks], set[str](), dict[str, str]()
    times, later = Counter(names), Counter(names)
    for task in tasks:
        later[task.name] -= 1
        key = json.dumps(dict(task.settings), sort_keys=True, default=str)
        try:
            _check_place(task, times[task.name], later)
            if key not in fine:
                _check_settings(task)
                fine.add(key)
        except LfsganError as error:
            wrong[task.name] = str(error)
    if len(wrong) == len(times) > 1 and len(set(wrong.values())) == 1:  # an option of the command
        raise LfsganError(next(iter(wrong.values())))
    if wrong:
        named = "; ".join(f"task {name!r}: {why}" for name, why in list(wrong.items())[:SHOWN])
        more = f"; and {len(wrong) - SHOWN:,} more tasks" if len(wrong) > SHOWN else ""
        raise TasksError(source, f"nothing was started: {named}{more}")


def _check_place(task: QueuedTask, times: int, later: Mapping[str, int]) -> None:
    """Its name among the others, and the paths of its images."""
    start = task.settings.get("init_from")
    if meaning := stands_for(check_name(task.name)):
        raise ReservedNameError(task.name, meaning)
    if times > 1:
        raise LfsganError(f"{times} tasks have that name, expected one: rename the others")
    if start is not None and later.get(start):
        raise LfsganError(f"it starts from {start!r}, which comes later: put that first")
    missing = next((path for path in task.images if not path.exists()), None)
    if missing:
        raise SourceNotFoundError(missing)


def _check_settings(task: QueuedTask) -> None:
    _, rest = Framing.taken_from(task.said)
    given = {name: value for name, value in rest.items() if name not in NO_SETTINGS}
    recipe, adapter = rest.get("recipe", DEFAULT), rest.get("adapter", "left")
    task_recipe(recipe, adapter, task.pairs("pairs"), task.pairs("settings"), given)


State: TypeAlias = Literal["learned", "already", "elsewhere", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: learned here, learned already, learned by another worker meanwhile, or failed.

    seconds: of its process. message: why it failed. warnings: of its process. document: what it printed with `--json`.
    """

    name: str
    state: State
    seconds: float = 0.0
    message: str = ""
    warnings: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self), "document": dict(self.document), "seconds": round(self.seconds, 1)}


@dataclass(frozen=True)
class Running:
    """A task at work. done, total: steps, None until they are known. seconds: of its process. where: a machine."""

    name: str
    done: int = 0
    total: int | None = None
    seconds: float = 0.0
    where: str = ""


@dataclass(frozen=True)
class Expected:
    """What is left to do. new, resumed, finished: tasks. seconds: of one job; memory: of one task, in bytes."""

    new: int
    resumed: int
    finished: int
    seconds: float
    memory: int
    free: int | None


class Queue:
    """Tasks of a workspace, in their order. pending: not yet begun. at_work: begun for this queue. running: how far."""

    def __init__(self, root: Path, tasks: Sequence[QueuedTask], *, threads: int = THREADS) -> None:
        self.workspace, self.threads = Workspace(root), threads
        self.pending = {task.name: task for task in tasks}
        self.running: list[Running] = []
        self.at_work: set[str] = set()
        self._fine: set[str] = set()
        self._seen: set[str] = set()  # that were not learned when this worker first looked

    def look(self, task: QueuedTask) -> Outcome | bool:
        """What became of a task if nothing is left to do; otherwise whether it is to be resumed.

        As `learn-task --resume` has it: other settings than a learned task's are a failure, more steps lengthen it.
        """
        root, name = self.workspace.root, task.name
        try:
            if is_learned(self.workspace, name):
                origin = self._origin(task)
                if origin not in self._fine:
                    repeated = Repeated(task.said, setting_values(task.pairs("settings")), task.pairs("pairs"))
                    if check_learned(self.workspace, name, repeated) is None:
                        return True
                    self._fine.add(origin)
                return Outcome(name, "elsewhere" if name in self._seen else "already")
        except (LfsganError, OSError) as error:
            if task_path(root, name).exists():  # else it was renamed or removed in this moment
                return Outcome(name, "failed", message=one_line(str(error)))
        self._seen.add(name)
        return RunFolder(self.workspace.task_run(name)).unfinished

    def _origin(self, task: QueuedTask) -> str:
        """All that the check of a learned task depends on: of thousands that one command learned, one is checked."""
        about: dict[str, Any] = listing.metadata_of(task_path(self.workspace.root, task.name))[0]
        with suppress(KeyError, ValueError, AttributeError):
            training = {
                key: value for key, value in json.loads(about["lfsgan.training"]).items() if key not in _OF_IMAGES
            }
            header = [about[f"lfsgan.{key}"] for key in ("format", "adapter", "adapter_version", "config", "base")]
            return json.dumps([header, training, dict(task.settings)], sort_keys=True)
        return task.name  # which is checked on its own, and refused

    def ready(self, task: QueuedTask) -> bool:
        """Whether the task that it starts from, if any, is not one that this queue still has to learn."""
        source = task.settings.get("init_from")
        return source == task.name or not (source in self.pending or source in self.at_work)

    def expected(self, device: torch.device, each: Callable[[], object] = lambda: None) -> Expected:
        """What all of it needs on this machine, by timing it; raises as learning the tasks would. each: called a task.

        Images are decoded, nothing is written.
        """
        counts, times, memory, free, seconds = Counter[str](), dict[str, float](), 0, None, 0.0
        for task in self.pending.values():
            found = self.look(task)
            if isinstance(found, Outcome):
                if found.state == "failed":
                    raise LfsganError(f"task {task.name!r}: {found.message}")
                counts["finished"] += 1
            else:
                job = open_run(
                    self.workspace, task.name, list(task.images), task.said, task.pairs("pairs"),
                    task.pairs("settings"), device=device, resume=found, overwrite=False,
                )  # fmt: skip
                assert isinstance(job, TaskRun)  # noqa: S101 - `look` saw that something is left to do
                counts["resumed" if found else "new"] += 1
                key = json.dumps(job.plan.training.to_json() | {"seed": 0}, sort_keys=True)
                if key not in times:
                    estimate = of_task(job, device)
                    times[key], memory, free = estimate.seconds, max(memory, estimate.memory), estimate.free
                left = 1 - (job.folder.checkpoint_step or 0) / job.plan.training.steps if found else 1
                seconds += times[key] * left
            each()
        return Expected(counts["new"], counts["resumed"], counts["finished"], seconds, memory, free)
