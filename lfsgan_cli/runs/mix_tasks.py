"""Storing a blend as a task of its own, in a file that needs no other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.apply import Blended, adapt
from lfsgan_cli.evaluation.retention_record import record
from lfsgan_cli.generation.sampling import mean_w
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.blend import (
    ADAPTER,
    MAX_PARTS,
    VERSION,
    BlendError,
    LayerStrength,
    StoredPart,
    by_layer,
    shares,
)
from lfsgan_cli.workspace.manage import check_free
from lfsgan_cli.workspace.paths import find_task, task_path, tasks_folder
from lfsgan_cli.workspace.task_file import TaskFile, TaskInfo, TaskSummary
from lfsgan_cli.workspace.workspace import Workspace


@dataclass(frozen=True)
class MixJob:
    """A blend that can be stored as a task; nothing is written yet."""

    workspace: Workspace
    info: TaskInfo
    adapter: Adapter


def plan_mix(workspace: Workspace, name: str, text: str, strength: float | LayerStrength, *, overwrite: bool) -> MixJob:
    """Check the name and the tasks, and compose the task; raises as learning a task does, and as `Workspace.blend`.

    The file will hold the tensors of all tasks and not the merged weights, which are larger: on the embedded base two
    tasks of LeFT take 0.95 MB, the change of all weights 4.5 MB. Parts of a stored blend become parts of this one.
    """
    check_free(workspace.root, name, overwrite=overwrite)
    blend, base = workspace.blend(text), workspace.base.average
    parts: list[tuple[StoredPart, Adapter]] = []
    for task, weight in blend.parts:
        table = shares(weight, strength, base.config)
        found = TaskFile.open(find_task(workspace.root, task)).parts(base)
        parts += [(part.scaled(table), adapter) for part, adapter in found]
    if len(parts) > MAX_PARTS:
        raise BlendError(
            text, f"it has {len(parts)} tasks, those in stored blends counted, and {MAX_PARTS} are the most"
        )
    adapter = Blended([(one, by_layer(part.table, base.config)) for part, one in parts])
    training = {"blend": blend.title, **({} if strength == 1 else {"strength": str(strength)})}
    document = {"parts": [part.to_json() for part, _ in parts]}
    return MixJob(workspace, TaskInfo(name, ADAPTER, VERSION, document, workspace.base_info, training), adapter)


def finish_mix(job: MixJob, device: torch.device) -> TaskSummary:
    """Write the task with a `w_avg` of its own, and record what it generates; the summary of its file."""
    workspace, name = job.workspace, job.info.name
    view = adapt(workspace.base.average.to(device), job.adapter.to(device))
    w_mean = mean_w(view).cpu()
    tensors = {key: _smaller(tensor) for key, tensor in job.adapter.cpu().tensors().items()}
    tasks_folder(workspace.root).mkdir(exist_ok=True)
    workspace.remove_run(name)
    path = task_path(workspace.root, name)
    task_file.write(path, job.info, tensors | {task_file.W_MEAN: w_mean})
    record(workspace, name, device)
    return task_file.read_summary(path)


def _smaller(tensor: Tensor) -> Tensor:
    """In fp16 where that loses nothing, as for tensors that were read from a file in fp16."""
    half = tensor.half() if tensor.dtype == torch.float32 else tensor
    return half if torch.equal(half.to(tensor.dtype), tensor) else tensor
