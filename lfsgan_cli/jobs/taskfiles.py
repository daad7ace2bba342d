"""Tasks of the public LFS-GAN code become tasks of a workspace, and go back into files of that code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli import options, registry, taskfile
from lfsgan_cli.adapted import adapt
from lfsgan_cli.adapter import Adapter, construct, read_config
from lfsgan_cli.checkpoints import lfsgan
from lfsgan_cli.checkpoints.found import CheckpointError
from lfsgan_cli.checkpoints.lfsgan import PublishedTask
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.hashing import file_hash
from lfsgan_cli.jobs.exporting import check_free
from lfsgan_cli.jobs.records import record
from lfsgan_cli.jobs.taskplan import free_folder
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.sampling import mean_w
from lfsgan_cli.taskfile import TaskInfo, TaskSummary
from lfsgan_cli.taskfolder import base_path, find_task, task_path, tasks_folder
from lfsgan_cli.workspace import Workspace

ADAPTER = "left"  # what the tasks of the public code are


class OtherNetworkError(LfsganError):
    """A task of a network that is not of the base's shape."""

    def __init__(self, path: Path, theirs: NetworkConfig, base: str, ours: NetworkConfig) -> None:
        super().__init__(
            f"{path.name!r} is a task of another network ({_spell(theirs)}) than the base {base!r} ({_spell(ours)}): "
            "name a workspace that has its base with --workspace"
        )


class NotPublishableError(LfsganError):
    """A task that the public code has no form for."""

    def __init__(self, name: str, adapter: str) -> None:
        super().__init__(
            f"task {name!r} of the adapter {adapter!r} has what the public LFS-GAN code does not know; "
            f"expected a task of {ADAPTER!r} that was learned with -o gates=hard -o biases=false -o crossed=false"
        )


@dataclass(frozen=True)
class Import:
    """A task of the public code, checked and ready to be written; negative_gates: see `PublishedTask`."""

    workspace: Workspace
    info: TaskInfo
    adapter: Adapter
    negative_gates: float


@dataclass(frozen=True)
class Export:
    """A task of a workspace; tensors: under the public code's names."""

    info: TaskInfo
    tensors: Mapping[str, Tensor]


def begin_import(workspace: Workspace, path: Path, name: str, *, activation: bool, overwrite: bool) -> Import:
    """Check a file, the name and that it fits the workspace's base; nothing is written yet.

    activation: whether the task was learned with ReLU on its gates. Raises CheckpointError, OtherNetworkError, and
    for names as learning a task does.
    """
    base_path(workspace.root)
    free_folder(workspace, name, overwrite=overwrite)
    published = lfsgan.read(path)
    network = workspace.base.average.config
    if published.network != network:
        raise OtherNetworkError(path, published.network, workspace.base.name, network)
    cls = registry.load(ADAPTER)
    values = {"rank": published.rank, "activation": activation, "additive": published.additive, "init": "paper"}
    config = read_config(cls, values)
    adapter = _adapter(path, workspace, cls, config, published)
    training = {"imported": "LFS-GAN", "file": path.name, "file_sha256": file_hash(path)}
    info = TaskInfo(name, ADAPTER, str(cls.version), options.to_json(config), workspace.base_info, training)
    return Import(workspace, info, adapter, published.negative_gates)


def finish_import(job: Import, device: torch.device) -> TaskSummary:
    """Write the task with a mean w of its own, and remember what it draws; the summary of what is in its file."""
    workspace, name = job.workspace, job.info.name
    mean = _mean_w(job, device)
    tensors = job.adapter.tensors() | {taskfile.W_MEAN: mean}
    tasks_folder(workspace.root).mkdir(exist_ok=True)
    workspace.remove_run(name)
    path = task_path(workspace.root, name)
    taskfile.write(path, job.info, tensors)
    record(workspace, name, device)
    return taskfile.read_summary(path)


def begin_export(root: Path, name: str, out: Path, *, overwrite: bool) -> Export:
    """A task under the public code's names; NotPublishableError where that has none for it. Nothing is written yet."""
    info, tensors = taskfile.read(find_task(root, name))
    check_free(out, overwrite=overwrite)
    cls = registry.load(info.adapter)
    table = cls.published_names(NetworkConfig.from_json(info.base.network), read_config(cls, info.config))
    if tensors.keys() - {taskfile.W_MEAN} - set(table.values()):
        raise NotPublishableError(name, info.adapter)
    return Export(info, {theirs: tensors[ours].float() for theirs, ours in table.items() if ours in tensors})


def _adapter(path: Path, workspace: Workspace, cls: type[Adapter], config: Any, published: PublishedTask) -> Adapter:
    # Without memory until the tensors are known to fit, whatever size the file claims.
    with torch.device("meta"):
        adapter = construct(cls, workspace.base.average.cpu(), config)
    tensors = adapter.tensors()
    names = cls.published_names(published.network, config)
    table = {theirs: ours for theirs, ours in names.items() if ours in tensors}
    _check_shapes(path, {theirs: tensors[ours].shape for theirs, ours in table.items()}, published.tensors)
    adapter.load_state_dict({ours: published.tensors[theirs] for theirs, ours in table.items()}, assign=True)
    return adapter.requires_grad_(False)  # noqa: FBT003


def _check_shapes(path: Path, expected: Mapping[str, torch.Size], found: Mapping[str, Tensor]) -> None:
    for name in sorted(expected.keys() ^ found.keys()):
        state = "lacks" if name in expected else "has a tensor that no task has,"
        raise CheckpointError(path, f"{state} {name[: lfsgan.TELLING]!r}", lfsgan.EXPECTED)
    for name, shape in expected.items():
        if found[name].shape != shape:
            wrong = f"has the shape {list(found[name].shape)} for {name!r}, where {list(shape)} fits the rest of it"
            raise CheckpointError(path, wrong, lfsgan.EXPECTED)


def _mean_w(job: Import, device: torch.device) -> Tensor:
    view = adapt(job.workspace.base.average.to(device), job.adapter.to(device))
    view.w_mean = view.w_mean.to(device)
    mean = mean_w(view).cpu()
    job.adapter.cpu()
    return mean


def _spell(network: NetworkConfig) -> str:
    channels = " ".join(f"{side}:{network.channels[side]}" for side in network.sides)
    side = network.resolution
    return f"{side}×{side}, channels {channels}, latents of {network.w_dim}, {network.mapping_layers} mapping layers"
