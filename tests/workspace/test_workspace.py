"""A task is rebuilt only from what fits it, and nothing that its header claims takes memory before that is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.workspace import task_file
from lfsgan_cli.workspace.task_file import W_MEAN, AdapterStateError, TaskFile, TaskInfo
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import Program

CPU = torch.device("cpu")


def claimed(learned: Program, **config: Any) -> tuple[Workspace, TaskInfo, dict[str, torch.Tensor]]:
    """The learned task, with other options in its header."""
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    task = TaskFile.open(workspace.root / "tasks" / "cats.safetensors")
    info, tensors = task.info, dict(task.tensors)
    return workspace, replace(info, config={**info.config, **config}), tensors


@pytest.mark.parametrize("rank", [2, 1024])
def test_options_that_do_not_fit_the_tensors_are_refused(learned: Program, rank: int) -> None:
    workspace, info, tensors = claimed(learned, rank=rank)
    with pytest.raises(AdapterStateError, match="other names or shapes"):
        TaskFile(Path("cats"), info, tensors).adapter(workspace.base.average)


@pytest.mark.parametrize("rank", [1025, 10**9, 2**62])
def test_a_rank_of_any_size_is_refused(learned: Program, rank: int) -> None:
    workspace, info, tensors = claimed(learned, rank=rank)
    with pytest.raises(LfsganError, match="expected 1 to 1024"):
        TaskFile(Path("cats"), info, tensors).adapter(workspace.base.average)


def test_a_mean_w_of_another_width_is_refused(learned: Program) -> None:
    workspace, info, tensors = claimed(learned)
    tensors[W_MEAN] = torch.ones(3)
    path: Path = workspace.root / "tasks" / "cats.safetensors"
    task_file.write(path, info, tensors)
    with pytest.raises(AdapterStateError, match="other names or shapes"):
        workspace.generator("cats", CPU)
