"""Remote workspaces: a local copy of what a command needs, listings, and tasks that are pulled. No torch.

A remote workspace has the files of a local one, `base.safetensors` and `tasks/NAME.safetensors`, and an entry
`index/NAME.json` for each pushed task: what a listing shows, and the ETag of the file that it describes. An entry whose
file was replaced since is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from lfsgan_cli.errors import LfsganError, shortened
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import FileWriteError, cache_folder, check_name, write_atomic
from lfsgan_cli.io.remote import HUB, Address, AddressError, RemoteError, Stored, open_store, read_all
from lfsgan_cli.io.safetensors import read_header
from lfsgan_cli.workspace import base_file, listing, manage, task_file
from lfsgan_cli.workspace.listing import ListedTask, Listing
from lfsgan_cli.workspace.paths import BASE_FILE, RESERVED, SUFFIX, UnknownTaskError, is_remote
from lfsgan_cli.workspace.task_file import BaseInfo, TaskInfo

TASKS, INDEX, CARD = "tasks", "index", "README.md"
ENTRY = "lfsgan-entry/1"
_HEAD = 1 << 18  # bytes: nearly every header is shorter
_AT_ONCE = 8  # files
_LISTED_AT_ONCE = 1000  # names
_DOCUMENT = ("adapter", "adapter_version", "base", "bytes", "config", "learned", "name", "parameters", "training")
_NEAR = 500  # names that are looked at for one that was mistyped

Tell = Callable[[str], None]


class NothingThereError(LfsganError):
    """An address without a workspace."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"there is no workspace at {address}: it has no {BASE_FILE} and no tasks; correct the address, or publish "
            f"a task there with `lfsgan tasks push NAME {address}`"
        )


class NoRemoteBaseError(LfsganError):
    """Tasks whose base cannot be found."""

    def __init__(self, address: Address, base: BaseInfo) -> None:
        super().__init__(
            f"{address} has no {BASE_FILE} and does not say where the base {base.name!r} ({base.identity[:12]}…) is: "
            "push a task there from a workspace that has it"
        )


class SeveralTasksError(LfsganError):
    """One task was expected."""

    def __init__(self, address: Address, names: Sequence[str]) -> None:
        found = f"several tasks: {shortened(names)}" if names else "no task"
        way = "name one" if names else f"publish one with `lfsgan tasks push NAME {address}`"
        super().__init__(f"{address} has {found}; {way}")


def local_copy(
    workspace: Path, tell: Tell, tasks: Iterable[str] = (), *, every: bool = False, base: bool = True
) -> Path:
    """The workspace's folder; of a remote one the local copy, with the base and these tasks, or all, as they are now.

    tell: is told of a download. tasks: names, or blends and lists of them; `base` is none. base: whether it is needed.
    """
    return remote_at(workspace, tell).fetch(tasks, every=every, base=base) if is_remote(workspace) else workspace


def only_task(workspace: Path, tell: Tell, given: list[str]) -> list[str]:
    """The tasks that a command names; where it names none and the workspace is remote, the only one that is there."""
    if given or not is_remote(workspace):
        return given
    name = remote_at(workspace).only_task()
    tell(f"Task: {name}, the only one there.")
    return [name]


def remote_at(url: str | Path, tell: Tell = lambda _text: None) -> RemoteWorkspace:
    """The workspace at an address; AddressError, also for a local path. Nothing is sent yet. tell: see below."""
    address = Address.parse(url)
    if address is None:
        raise AddressError(str(url))
    return RemoteWorkspace(address, tell)


def task_at(url: str | Path) -> tuple[RemoteWorkspace, str] | None:
    """The workspace and the name of a task that a URL stands for; None for a local path.

    It may be that of a workspace with one task, or that of a file such as s3://bucket/tasks/cats.safetensors.
    """
    address = Address.parse(url)
    if address is None:
        return None
    name = address.folder.rpartition("/")[2]
    if not name.endswith(SUFFIX):
        remote = RemoteWorkspace(address)
        return remote, remote.only_task()
    if address.parent.folder.rpartition("/")[2] != TASKS:
        raise AddressError(str(address))
    return RemoteWorkspace(address.parent.parent), name.removesuffix(SUFFIX)


def import_own(
    root: Path, file: str | Path, name: str, *, overwrite: bool = False, dry_run: bool = False
) -> TaskInfo | None:
    """Import a task file of lfsgan from a path or an address; None for the path of another program's file.

    Raises as `RemoteWorkspace.pull` and `manage.adopt`.
    """
    source = task_at(file)
    if source is not None:
        return source[0].pull(root, source[1], name, overwrite=overwrite, dry_run=dry_run)
    path, own = Path(file).expanduser(), False
    with contextlib.suppress(LfsganError):  # no safetensors file
        own = "lfsgan.format" in read_header(path).metadata
    return manage.adopt(root, path, name, overwrite=overwrite, dry_run=dry_run) if own else None


class RemoteWorkspace:
    """A workspace on an S3 server or on the Hub. tell: is told of each download of a base."""

    def __init__(self, address: Address, tell: Tell = lambda _text: None) -> None:
        self.address, self.store, self._tell = address, open_store(address), tell

    @cached_property
    def folder(self) -> Path:
        """The local copy."""
        name = re.sub(r"[^\w.-]+", "-", f"{self.address.place}-{self.address.folder}").strip("-")
        return cache_folder() / "remote" / f"{name[:80]}-{hashlib.sha256(str(self.address).encode()).hexdigest()[:16]}"

    def fetch(self, tasks: Iterable[str] = (), *, every: bool = False, base: bool = True) -> Path:
        """The local copy, with the base and some tasks as they are now.

        tasks: names, or blends and lists of them. every: all tasks, and none that is gone. base: whether it is needed.
        UnknownTaskError.
        """
        names = [part.partition("=")[0].strip() for text in tasks for part in re.split("[,;]", text)]
        wanted = list(dict.fromkeys(check_name(name) for name in names if name and name.lower() != RESERVED))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = list(self._tasks()) if every else list(pool.map(self._task, wanted))
            files = list(pool.map(self._refresh, found))
        if every:
            for path in set((self.folder / TASKS).glob(f"*{SUFFIX}")) - set(files):
                path.unlink(missing_ok=True)
        if base:
            self._fetch_base(files, wanted)
        return self.folder

    def only_task(self) -> str:
        """The name of the only task; SeveralTasksError."""
        names = [_name(stored) for stored in self._tasks(most=_NEAR)]
        if len(names) != 1:
            raise SeveralTasksError(self.address, names)
        return names[0]

    def pages(self, *, after: str = "", limit: int | None = None) -> Iterator[Listing]:
        """As `listing.pages`, in the order of the files' names, from the entries of the index."""
        before, left, size = after, limit, listing.PAGE  # few at first, so that these are shown soon
        while left is None or left > 0:
            size = size if left is None else min(left, size)
            found = list(self._tasks(before, size + 1))
            rest, found = found[size:], found[:size]
            left = None if left is None else left - len(found)
            for first in range(0, len(found), listing.PAGE):
                part = found[first : first + listing.PAGE]
                ends = rest and left == 0 and first + listing.PAGE >= len(found)
                yield self._listing(part, cut=_name(part[-1]) if ends else None)
            if not rest:
                return
            before, size = _name(found[-1]), _LISTED_AT_ONCE

    def pull(self, root: Path, name: str, new: str = "", *, overwrite: bool = False, dry_run: bool = False) -> TaskInfo:
        """Put a task into a local workspace, and the base where that has none; what the task's header says.

        new: another name. Raises as `fetch` and `manage.adopt`.
        """
        file, base = self._refresh(self._task(check_name(name))), None
        if not (root / BASE_FILE).exists():
            self._fetch_base([file], [name])
            base = self.folder / BASE_FILE
        return manage.adopt(root, file, new or name, base=base, overwrite=overwrite, dry_run=dry_run)

    def entries(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The entries of tasks; those that are missing or damaged are left out."""
        found = read_all(self.store, (entry_path(name) for name in names))
        read = ((path.removeprefix(f"{INDEX}/").removesuffix(".json"), _read(data)) for path, data in found.items())
        return {name: entry for name, entry in read if entry}

    def names(self, most: int | None) -> list[str]:
        """The names of the first tasks, or of all."""
        return [_name(stored) for stored in self._tasks(most=most)]

    def base_info(self) -> tuple[str, str] | None:
        """Name and identity of the base; None where there is none."""
        stored = self.store.stat(BASE_FILE)
        if stored is None:
            return None
        with self._header(stored) as path:
            summary = base_file.read_summary(path)
        return summary.name, summary.identity

    def _tasks(self, after: str = "", most: int | None = None) -> Iterator[Stored]:
        start, left = f"{TASKS}/{after}{SUFFIX}" if after else "", most
        while left is None or left > 0:
            size = _LISTED_AT_ONCE if left is None else min(left, _LISTED_AT_ONCE)
            page = self.store.page(TASKS, start, size)
            found = [one for one in page if one.path.endswith(SUFFIX) and not _name(one).startswith(".")]
            yield from found
            if len(page) < size:
                return
            start, left = page[-1].path, None if left is None else left - len(found)

    def _task(self, name: str) -> Stored:
        stored = self.store.stat(f"{TASKS}/{name}{SUFFIX}")
        if stored is None:
            # Names that begin alike are listed together: all are not looked at, there may be very many.
            near = [_name(one) for one in self._tasks(name[: (len(name) + 1) // 2], _NEAR)] or self.names(_NEAR)
            if not near and self.store.stat(BASE_FILE) is None:
                raise NothingThereError(self.address)
            raise UnknownTaskError(name, near)
        return stored

    def _refresh(self, stored: Stored, source: RemoteWorkspace | None = None) -> Path:
        """The local copy of a file, fetched where it is not the one of that ETag. source: where it is, if elsewhere."""
        source = source or self
        path = self.folder / stored.path
        note = self.folder / ".etags" / f"{stored.path}.json"
        with contextlib.suppress(OSError, ValueError):
            seen = path.stat()
            if json.loads(note.read_text()) == [stored.etag, seen.st_size, seen.st_mtime_ns]:
                return path
        if stored.path == BASE_FILE:
            self._tell(f"Fetching the base from {source.address}: {stored.size / 1e6:,.1f} MB.")
        partial = path.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            note.parent.mkdir(parents=True, exist_ok=True)
            source.store.fetch(stored.path, partial)
            # Of the file itself, before it gets its name: another process may fetch another version meanwhile.
            seen = partial.stat()
            partial.replace(path)
            write_atomic(note, json.dumps([stored.etag, seen.st_size, seen.st_mtime_ns]).encode())
        except FileNotFoundError as error:
            raise RemoteError(source.address, f"{stored.path!r} is gone", "run the command again") from error
        except OSError as error:
            raise FileWriteError(path, error) from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def _fetch_base(self, files: Sequence[Path], names: Sequence[str]) -> None:
        source, stored = self, self.store.stat(BASE_FILE)
        if stored is None and (elsewhere := self._base_elsewhere(names)) is not None:
            source = RemoteWorkspace(elsewhere)
            stored = source.store.stat(BASE_FILE)
        if stored is not None:
            self._refresh(stored, source)
            return
        if not files:
            raise NothingThereError(self.address)
        base = task_file.read_info(files[0]).base
        with base_file.embedded_base() as path:
            if base_file.read_summary(path).identity != base.identity:
                raise NoRemoteBaseError(self.address, base)
            write_atomic(self.folder / BASE_FILE, path.read_bytes())

    def _base_elsewhere(self, names: Sequence[str]) -> Address | None:
        """Where the entries of tasks, or the model card, say that the base is."""
        for entry in self.entries(names or self.names(1)).values():
            if isinstance(entry.get("base_at"), str):
                return Address.parse(entry["base_at"])
        card = (self.store.read(CARD) or b"") if self.address.scheme == HUB else b""
        match = re.search(rb"\A---\n(?:.*\n)*?base_model:\s*(?:\n\s*- )?([\w.-]+/[\w.-]+)\s*\n", card)
        return Address(HUB, match[1].decode()) if match else None

    def _listing(self, found: Sequence[Stored], cut: str | None) -> Listing:
        entries = self.entries(map(_name, found))
        tasks, unreadable = [], {}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for stored, known in zip(found, pool.map(lambda one: self._listed(one, entries), found), strict=True):
                if isinstance(known, ListedTask):
                    tasks.append(known)
                else:
                    unreadable[_name(stored)] = known
        return Listing(tuple(tasks), (), unreadable, cut)

    def _listed(self, stored: Stored, entries: Mapping[str, dict[str, Any]]) -> ListedTask | str:
        """From the entry; from the file's header where there is none, or where it is of another file."""
        entry = entries.get(_name(stored), {})
        task = _listed(entry, stored.size) if stored.etag in entry.get("etags", ()) else None
        if task is not None:
            return task
        try:
            with self._header(stored) as path:
                summary = task_file.read_summary(path)
        except LfsganError as error:
            return str(error)
        document = {**asdict(summary.info), "name": _name(stored), "parameters": summary.parameters}
        known = {**document, "bytes": stored.size, "learned": stored.modified, "fid": None}
        info = summary.info
        return ListedTask(_name(stored), info.adapter, info.training, stored.size, stored.modified, None, known)

    @contextlib.contextmanager
    def _header(self, stored: Stored) -> Iterator[Path]:
        """A file of the right name and size, of which only the header is there."""
        head = self.store.read(stored.path, _HEAD) or b""
        length = int.from_bytes(head[:8], "little") + 8
        if len(head) < length <= min(stored.size, _HEAD << 5):
            head = self.store.read(stored.path, length) or b""
        with tempfile.TemporaryDirectory(prefix="lfsgan-") as folder:
            path = Path(folder) / Path(stored.path).name
            with path.open("wb") as file:
                file.write(head)
                file.truncate(stored.size)
            yield path


def entry_path(name: str) -> str:
    """The entry of a task."""
    return f"{INDEX}/{name}.json"


def _name(stored: Stored) -> str:
    return stored.path.rpartition("/")[2].removesuffix(SUFFIX)


def _read(data: bytes) -> dict[str, Any]:
    """An entry; empty where it is damaged, or of a later version."""
    try:
        entry = strictjson.loads(data)
    except ValueError:
        return {}
    whole = isinstance(entry, dict) and entry.get("format") == ENTRY and isinstance(entry.get("etags"), list)
    return entry if whole and _listed(entry, 0) is not None else {}


def _listed(entry: Mapping[str, Any], size: int) -> ListedTask | None:
    match dict(entry):
        case {
            "name": str(name), "adapter": str(adapter), "training": dict(training), "learned": str(learned),
            "fid": None | [str(), int() | float()] as fid, "parameters": int(), "bytes": int(), "config": dict(),
            "base": {"identity": str(), "name": str(), "network": dict()}, "adapter_version": str(), "sha256": str(),
        }:  # fmt: skip
            document = {key: entry[key] for key in _DOCUMENT} | {"fid": fid[1] if fid else None}
            return ListedTask(name, adapter, training, size, learned, (fid[0], fid[1]) if fid else None, document)
        case _:
            return None
