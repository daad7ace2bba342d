"""A workspace on disk: one shared frozen base, and the tasks learned on it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from lfsgan_cli import registry
from lfsgan_cli.adapter import construct, read_config
from lfsgan_cli.apply import Blended, Strength, adapt, merge
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import FileWriteError, write_atomic
from lfsgan_cli.system.memory import Budget, OverBudgetError
from lfsgan_cli.workspace import base_file, task_file
from lfsgan_cli.workspace import blend as blends
from lfsgan_cli.workspace.blend import Blend, LayerStrength, StoredPart
from lfsgan_cli.workspace.paths import BASE_FILE, SUFFIX, NoWorkspaceError, find_task, run_folder, task_names
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lfsgan_cli.adapter import Adapter
    from lfsgan_cli.networks.config import NetworkConfig
    from lfsgan_cli.networks.generator import Generator
    from lfsgan_cli.workspace.base_file import Base

EMBEDDED = "avatars-64"
MISFIT = "its tensors have other names or shapes; the file is damaged"
# What an adapter may make while it is built: more numbers than it keeps, and a few that it needs on the way.
MARGIN, SMALL = 4, 1 << 24


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


class AdapterStateError(LfsganError):
    """A task whose tensors do not fit its adapter."""

    def __init__(self, info: TaskInfo, reason: str) -> None:
        super().__init__(f"task {info.name!r} cannot be rebuilt by adapter {info.adapter!r}: {reason}")


class BaseExistsError(LfsganError):
    """A base is never replaced by accident, and not at all under tasks."""

    def __init__(self, path: Path, tasks: list[str]) -> None:
        way = (
            f"it carries the tasks {', '.join(tasks)}; use another --workspace"
            if tasks
            else "give --overwrite to replace it, or use another --workspace"
        )
        super().__init__(f"{str(path)!r} is there already, and a base is never written again: {way}")


class Workspace:
    """The folder of one base and its tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
        """Refuse to replace a base: always under tasks, otherwise unless `overwrite`."""
        tasks = task_names(self.root) if self.root.is_dir() else []
        if self.base_path.exists() and (tasks or not overwrite):
            raise BaseExistsError(self.base_path, tasks)

    @cached_property
    def base(self) -> Base:
        """The base, frozen, in fp32 on the CPU; the embedded one where a workspace has none yet."""
        if self.base_path.exists():
            return base_file.read(self.base_path)
        with embedded_base() as path:
            return base_file.read(path)

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
        parts: list[tuple[Adapter, Mapping[str, float]]] = []
        w_mean = self.base.average.w_mean
        for task, weight in blend.parts:
            info, tensors = task_file.read(find_task(self.root, task))
            # Built beside the base on the CPU, then moved together: an overlay does not take its base along.
            adapter = rebuild(info, tensors, self.base.average.cpu()).to(device)
            w_mean = tensors[task_file.W_MEAN].float()
            parts.append((adapter, blends.shares(weight, strength, config)))
        whole = len(parts) == 1 and set(parts[0][1].values()) == {1.0}
        combined = parts[0][0] if whole else Blended([(one, by_layer(table, config)) for one, table in parts])
        generator = (merge if combined.mergeable else adapt)(self.base.average.to(device), combined)
        if whole:
            generator.w_mean = w_mean.to(device)
        return generator

    def remove_run(self, name: str) -> None:
        """Delete what learning a task left beside its file."""
        shutil.rmtree(self.task_run(name), ignore_errors=True)


def rebuild(info: TaskInfo, tensors: Mapping[str, Tensor], network: Generator) -> Adapter:
    """The adapter as it was learned, or the blend as it was stored, from a task's header and tensors."""
    parts = rebuild_parts(info, tensors, network)
    return parts[0][1] if info.adapter != blends.ADAPTER else _blended(parts, network)


def rebuild_parts(
    info: TaskInfo, tensors: Mapping[str, Tensor], network: Generator
) -> list[tuple[StoredPart, Adapter]]:
    """The same as its parts: those of a stored blend, or the task itself with strength 1 for all layers."""
    state = {name: tensor for name, tensor in tensors.items() if name != task_file.W_MEAN}
    numbers = sum(tensor.numel() for tensor in state.values())
    stored = info.adapter == blends.ADAPTER
    try:
        with Budget(MARGIN * numbers + SMALL):
            parts = [(part, _adapter(info, part, network)) for part in _stored_parts(info, network.config)]
        (_blended(parts, network) if stored else parts[0][1]).load_state_dict(state)
    except (RuntimeError, OverBudgetError) as error:
        raise AdapterStateError(info, MISFIT) from error
    if tensors[task_file.W_MEAN].shape != network.w_mean.shape:
        raise AdapterStateError(info, MISFIT)
    return [(part, adapter.requires_grad_(False)) for part, adapter in parts]  # noqa: FBT003


def by_layer(table: Mapping[str, float], config: NetworkConfig) -> Strength:
    """A table of strengths by layer, as `Blended` takes it."""
    return lambda name: table[blends.layer_of(name, config)]


def _stored_parts(info: TaskInfo, config: NetworkConfig) -> list[StoredPart]:
    if info.adapter != blends.ADAPTER:
        table = dict.fromkeys(blends.layers(config), 1.0)
        return [StoredPart(info.name, info.adapter, info.adapter_version, info.config, table)]
    _check_version(info, info.adapter_version, blends.VERSION)
    try:
        return blends.read_parts(info.config, config)
    except ValueError as error:
        raise AdapterStateError(info, str(error)) from error


def _adapter(info: TaskInfo, part: StoredPart, network: Generator) -> Adapter:
    cls = registry.load(part.adapter)
    _check_version(info, part.adapter_version, str(cls.version))
    return construct(cls, network, read_config(cls, part.config))


def _blended(parts: Sequence[tuple[StoredPart, Adapter]], network: Generator) -> Adapter:
    return Blended([(adapter, by_layer(part.table, network.config)) for part, adapter in parts])


def _check_version(info: TaskInfo, found: str, installed: str) -> None:
    if found != installed:
        raise AdapterStateError(
            info, f"the file is of its version {found}, installed is {installed}; install that version"
        )


def embedded_base() -> AbstractContextManager[Path]:
    """The default base that comes with the package: a file, for as long as the block lasts."""
    return as_file(files("lfsgan_cli") / "assets" / f"{EMBEDDED}{SUFFIX}")


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
