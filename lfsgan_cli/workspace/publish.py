"""Publish tasks: a file that appears whole or not at all, and an entry for listings. No torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.remote import Address, ExistsError, Files
from lfsgan_cli.workspace import base_file, listing, manage, task_file
from lfsgan_cli.workspace.paths import BASE_FILE, METRICS, SUFFIX, base_path, find_task, run_folder
from lfsgan_cli.workspace.remote import ENTRY, TASKS, NothingThereError, RemoteWorkspace, entry_path, remote_at
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo

_METRICS = 40  # of a task in its entry


class OtherRemoteBaseError(LfsganError):
    """A push to a workspace of another base."""

    def __init__(self, address: Address, name: str, ours: BaseInfo, theirs: tuple[str, str]) -> None:
        super().__init__(
            f"task {name!r} was learned on base {ours.name!r} ({ours.identity[:12]}…), and {address} has the base "
            f"{theirs[0]!r} ({theirs[1][:12]}…); push to an address of its own"
        )


@dataclass(frozen=True)
class Push:
    """A task that can be published; nothing is sent yet.

    data: the whole file. entry: of the index, without what `data` says. base: to be published as well, where there is
    none.
    """

    remote: RemoteWorkspace
    name: str
    data: bytes
    entry: dict[str, Any]
    base: Path | None
    overwrite: bool

    def run(self, more: Callable[[dict[str, Any]], Files] = lambda _entry: {}) -> None:
        """Publish: the file whole or not at all, then its entry. more: further files, written with the entry.

        ExistsError where somebody else pushed a task of this name, unless `overwrite`: then the last one stays.
        """
        store = self.remote.store
        if self.base is not None:
            with contextlib.suppress(ExistsError):  # somebody pushed it meanwhile; it is looked at once more
                store.publish(BASE_FILE, self.base.read_bytes(), lambda _etags: {}, new=True)
            _check_base(self.remote, self.name, BaseInfo(**self.entry["base"]))

        def describe(etags: list[str]) -> Files:
            about = {"bytes": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest(), "etags": etags}
            entry = {**self.entry, **about}
            text = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            return {entry_path(self.name): text.encode(), **more(entry)}

        store.publish(f"{TASKS}/{self.name}{SUFFIX}", self.data, describe, new=not self.overwrite)


def plan_push(
    root: Path, name: str, remote: RemoteWorkspace, *, base_at: str | None = None, overwrite: bool = False
) -> Push:
    """Check a task and the place where it is to be published.

    base_at: the address of a workspace that has the base, which is then not published again.

    Raises:
        LfsganError: as `find_task` and `task_file.verify`.
        ExistsError: a task of this name is there.
        OtherRemoteBaseError: the tasks there are of another base.
    """
    path = find_task(root, name)
    info, name = task_file.verify(path), path.name.removesuffix(SUFFIX)
    known = remote.store.exists()
    if known and not overwrite and remote.store.stat(f"{TASKS}/{name}{SUFFIX}") is not None:
        raise ExistsError(remote.address, f"{TASKS}/{name}{SUFFIX}")
    there, base = known and _check_base(remote, name, info.base), None
    if base_at is not None:
        source = remote_at(base_at)
        if not _check_base(source, name, info.base):
            raise NothingThereError(source.address)
    elif not there:
        base = base_path(root)
        summary = base_file.verify(base)
        if summary.identity != info.base.identity:
            raise manage.OtherBaseError(info, summary.name, summary.identity)
    return Push(remote, name, path.read_bytes(), _entry(root, path, info, base_at), base, overwrite)


def _check_base(remote: RemoteWorkspace, name: str, base: BaseInfo) -> bool:
    """Whether the base is there; OtherRemoteBaseError where another one is."""
    theirs = remote.base_info()
    if theirs is not None and theirs[1] != base.identity:
        raise OtherRemoteBaseError(remote.address, name, base, theirs)
    return theirs is not None


def _entry(root: Path, path: Path, info: TaskInfo, base_at: str | None) -> dict[str, Any]:
    name = path.name.removesuffix(SUFFIX)
    listed, summary = listing.task(root, name), task_file.read_summary(path)
    lines = []
    with contextlib.suppress(LfsganError):  # a damaged log says nothing of the task
        lines = strictjson.read_lines(run_folder(root, name) / METRICS)
    latest = {line["name"]: line["value"] for line in lines if isinstance(line.get("name"), str) and "value" in line}
    return {
        **asdict(info), "format": ENTRY, "name": name, "parameters": summary.parameters,
        "learned": listed.learned, "fid": listed.fid,
        "metrics": dict(list(latest.items())[-_METRICS:]), "base_at": base_at,
    }  # fmt: skip
