"""A workspace on disk: one shared frozen base, and the tasks learned on it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lfsgan_cli.apply import Blended, adapt, merge
from lfsgan_cli.errors import LfsganError, shortened
from lfsgan_cli.io.files import FileWriteError, write_atomic
from lfsgan_cli.workspace import blend as blends
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.base_file import Base, embedded_base
from lfsgan_cli.workspace.blend import Blend, LayerStrength
from lfsgan_cli.workspace.checkpoint_file import is_unfinished
from lfsgan_cli.workspace.paths import BASE_FILE, NoWorkspaceError, find_task, run_folder, task_names
from lfsgan_cli.workspace.task_file import BaseInfo, TaskFile, TaskInfo

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.networks.generator import Generator


class WorkspaceFileError(LfsganError):
    """A file where the workspace's folder should be."""

    def __init__(self, root: Path) -> None:
        super().__init__(f"{str(root)!r} is a file, and a workspace is a folder; name another with --workspace")


class BaseMismatchError(LfsganError):
    """A task of another base."""

    def __init__(self, info: TaskInfo, base_name: str, base_identity: str) -> None:
        super().__init__(
            f"task {info.name!r} was learned on base {info.base.name!r} ({info.base.identity[:12]}…), but this "
            f"workspace has {base_name!r} ({base_identity[:12]}…): use that base's workspace, or learn the task here"
        )


class BaseExistsError(LfsganError):
    """A base is never replaced by accident, and not at all under tasks."""

    def __init__(self, path: Path, tasks: list[str]) -> None:
        way = (
            f"it carries the tasks {shortened(tasks)}; use another --workspace"
            if tasks
            else "give --overwrite to replace it, or use another --workspace"
        )
        super().__init__(f"{str(path)!r} exists, and a base is never replaced: {way}")


class UnfinishedBaseError(LfsganError):
    """A pretraining that was begun here and can be resumed."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{str(path)!r} holds an unfinished pretraining: continue it with --resume, or pass --overwrite to start "
            "again"
        )


class Workspace:
    """The folder of one base and its tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __reduce__(self) -> tuple[type[Workspace], tuple[Path]]:
        """Sent to another process as its folder: the base is read again there."""
        return Workspace, (self.root,)

    @property
    def base_path(self) -> Path:
        """The base's file."""
        return self.root / BASE_FILE

    @property
    def base_run(self) -> Path:
        """Where pretraining keeps its state, logs and pictures."""
        return self.root / "base"

    def task_run(self, name: str) -> Path:
        """Where learning a task keeps its shots, state, logs and pictures."""
        return run_folder(self.root, name)

    def ensure_base(self) -> bool:
        """Put the embedded base in place where there is none; whether that was done."""
        if self.base_path.exists():
            return False
        self.root.mkdir(parents=True, exist_ok=True)
        with embedded_base() as path:
            self._put(path.read_bytes())
        return True

    def _put(self, base: bytes) -> None:
        try:
            write_atomic(self.base_path, base)
        except FileWriteError:
            # Windows replaces no file that is open: another process put the same bytes there, and reads them.
            if not self.base_path.exists():
                raise

    def check_base_free(self, *, overwrite: bool) -> None:
        """Refuse to replace a base: always under tasks, otherwise it or its unfinished run unless `overwrite`."""
        tasks = task_names(self.root) if self.root.is_dir() else []
        if self.base_path.exists() and (tasks or not overwrite):
            raise BaseExistsError(self.base_path, tasks)
        if is_unfinished(self.base_run) and not overwrite:
            raise UnfinishedBaseError(self.base_run)

    @cached_property
    def base(self) -> Base:
        """The base, frozen, in fp32 on the CPU; the embedded one where a workspace has none yet."""
        if self.base_path.exists():
            return Base.open(self.base_path)
        with embedded_base() as path:
            return Base.open(path)

    @property
    def base_info(self) -> BaseInfo:
        """The base as task files name it."""
        return BaseInfo(self.base.identity, self.base.name, self.base.average.config.to_json())

    def info(self, name: str) -> TaskInfo:
        """A task's header, refused when it belongs to another base."""
        info = task_file.read_info(find_task(self.root, name))
        if info.base.identity != self.base.identity:
            raise BaseMismatchError(info, self.base.name, self.base.identity)
        return info

    def blend(self, text: str) -> Blend:
        """A task or a blend of tasks, all of which are there and fit the base; raises as `parse_blend` and `info`."""
        blend = blends.parse_blend(text)
        for task, _ in blend.parts:
            self.info(task)
        return blend

    def generator(self, name: str, device: torch.device, strength: float | LayerStrength = 1.0) -> Generator:
        """The generator of a task or blend: merged into a copy of the base where the adapters allow, else an overlay.

        name: a task, or a blend such as `sketch=0.6,babies=0.4`. strength: the share of what it changes. `w_mean` is
        the task's own for one task at 1, and the base's otherwise.
        """
        blend, config = self.blend(name), self.base.average.config
        found = [(self.task_file(task), weight) for task, weight in blend.parts]
        return self.draw([(task, blends.shares(weight, strength, config)) for task, weight in found], device)

    def draw(self, parts: Sequence[tuple[TaskFile, Mapping[str, float]]], device: torch.device) -> Generator:
        """The generator of task files of this base, each with the share of every layer; see `generator`."""
        config, base = self.base.average.config, self.base.average
        # Built beside the base on the CPU, then moved together: an overlay does not take its base along.
        built = [(task.adapter(base.cpu()).to(device), table) for task, table in parts]
        whole = len(parts) == 1 and set(parts[0][1].values()) == {1.0}
        combined = built[0][0] if whole else Blended([(one, blends.by_layer(table, config)) for one, table in built])
        generator = (merge if combined.mergeable else adapt)(base.to(device), combined)
        if whole:
            generator.w_mean = parts[0][0].w_mean.to(device)
        return generator

    def open_task(self, name: str) -> TaskFile:
        """A task of this workspace's base, read and verified; UnknownTaskError, and as `info` and `TaskFile.open`."""
        self.info(name)
        return self.task_file(name)

    def task_file(self, name: str) -> TaskFile:
        """A task's file, of whatever base; UnknownTaskError, and as `TaskFile.open`."""
        return TaskFile.open(find_task(self.root, name))

    def remove_run(self, name: str) -> None:
        """Delete what learning a task left beside its file."""
        shutil.rmtree(self.task_run(name), ignore_errors=True)


def workspace_at(root: Path) -> Workspace:
    """The workspace at `root`, whether it is there or still to be made."""
    if root.exists() and not root.is_dir():
        raise WorkspaceFileError(root)
    return Workspace(root)


def check_workspace(root: Path) -> Workspace:
    """The workspace at `root`, which must be there."""
    if not root.exists():
        raise NoWorkspaceError(root)
    return workspace_at(root)
