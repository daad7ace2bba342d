"""Starting a task where another one ended, instead of at the base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lfsgan_cli import options, registry, taskfile, tensorfile
from lfsgan_cli.adapter import read_config
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.runfolder import differing
from lfsgan_cli.option_types import spell
from lfsgan_cli.taskfolder import find_task
from lfsgan_cli.workspace import Workspace, rebuild


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
    the adapter, SourceAdapterError, SourceOptionsError, and as `taskfile.read` does for a damaged file.
    """
    info = workspace.info(name)
    if info.adapter != adapter:
        raise SourceAdapterError(name, info.adapter, adapter)
    _, tensors = taskfile.read(find_task(workspace.root, name))
    state = rebuild(info, tensors, workspace.base.average).state_dict()
    theirs = options.to_json(read_config(registry.load(adapter), info.config))
    changes = differing(theirs, options.to_json(config), "-o {}".format)
    if changes:
        raise SourceOptionsError(name, changes)
    return Start(name, tensorfile.content_hash(tensors), state)


def check_same(workspace: Workspace, name: str, sha256: str | None) -> None:
    """OtherStartError where a task has other tensors than when it was started from."""
    if tensorfile.content_hash(taskfile.read(find_task(workspace.root, name))[1]) != sha256:
        raise OtherStartError(name)
