"""The state of a workspace: what is damaged, unfinished, being worked on, or left behind by killed processes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli import registry
from lfsgan_cli.diagnostics.doctor import MachineReport, Problem, gib, writable
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import partials
from lfsgan_cli.workspace import base_file, checkpoint_file, locks, task_file
from lfsgan_cli.workspace.locks import Holder
from lfsgan_cli.workspace.manage import DOOMED, Finding, verify
from lfsgan_cli.workspace.paths import run_folder, run_names, task_names, task_path, tasks_folder

NEEDED_DISK = 200 << 20  # bytes: a run keeps two states of about 30 MB on the embedded base, and pictures
_WRITING = 5.0  # seconds: a temporary file that is younger may be a write under way
_WRITING_UNDER_LOCK = 600.0  # seconds: where somebody works, large files may take their time

Command = Callable[..., str]  # makes a command line of words, for this workspace


@dataclass(frozen=True)
class Unfinished:
    """A run that can go on. task: None is the base; steps: those done."""

    task: str | None
    steps: int


@dataclass(frozen=True)
class WorkspaceState:
    """A workspace as it is.

    findings: what `verify` says of each file. relics: runs without a task and without a state. stale: files and
    folders of killed processes. lacking: tasks whose adapter is not installed, with its name.
    """

    root: Path
    findings: tuple[Finding, ...]
    held: dict[str, Holder | None]
    unfinished: tuple[Unfinished, ...]
    relics: tuple[str, ...]
    stale: tuple[Path, ...]
    lacking: dict[str, str]
    free: int


def examine(root: Path) -> WorkspaceState:
    """Look at a workspace, which may not be there yet; nothing is changed."""
    there = next(place for place in (root, *root.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if not root.is_dir():
        return WorkspaceState(root, (), {}, (), (), (), {}, free)
    held = locks.held(root)
    unfinished = tuple(_unfinished(root, held))
    relics = tuple(name for name in run_names(root) if _is_relic(root, name, held))
    return WorkspaceState(root, tuple(verify(root)), held, unfinished, relics, tuple(stale(root)), _lacking(root), free)


def part(state: WorkspaceState, command: Command) -> MachineReport:
    """The state in words. command: of the words of a command line, that line for this workspace."""
    whole = sum(finding.whole and finding.task is not None for finding in state.findings)
    facts = [
        ("workspace", str(state.root) if state.root.is_dir() else f"{state.root}, which is not there yet"),
        ("base", _base(state)),
        ("tasks", f"{whole} whole of {sum(finding.task is not None for finding in state.findings)}"),
        ("free on its disk", gib(state.free)),
        *((f"{what}, worked on by", locks.spell(holder)) for what, holder in state.held.items()),
    ]
    return MachineReport("workspace", tuple(facts), tuple(_problems(state, command)))


def stale(root: Path) -> Iterator[Path]:
    """What killed processes left and nobody uses: halves of files, folders on their way out, locks of the dead."""
    patience = _WRITING_UNDER_LOCK if locks.held(root) else _WRITING
    for path in (*partials(root), *tasks_folder(root).glob(DOOMED)):
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > patience:
                yield path
    yield from locks.abandoned(root)


def clean(paths: tuple[Path, ...]) -> list[Path]:
    """Remove what `stale` found; what could not be removed is returned."""
    for path in paths:
        if path.parent.name == locks.FOLDER:
            locks.remove_abandoned(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return [path for path in paths if path.exists()]


def _unfinished(root: Path, held: dict[str, Holder | None]) -> Iterator[Unfinished]:
    runs: list[tuple[str | None, Path]] = [(name, run_folder(root, name)) for name in _runs(root)]
    for task, run in [(None, root / "base"), *runs]:
        kept = checkpoint_file.paths(run)
        if kept and locks.what(task) not in held:
            yield Unfinished(task, checkpoint_file.step_of(kept[0]))


def _runs(root: Path) -> list[str]:
    """Those whose names a task can have: a stranger's folder is no run."""
    names = []
    for name in run_names(root):
        with suppress(LfsganError):
            names.append(run_folder(root, name).name)
    return names


def _is_relic(root: Path, name: str, held: dict[str, Holder | None]) -> bool:
    if name not in _runs(root) or locks.what(name) in held:
        return False
    return not task_path(root, name).exists() and not checkpoint_file.paths(run_folder(root, name))


def _lacking(root: Path) -> dict[str, str]:
    installed = registry.names()
    lacking: dict[str, str] = {}
    for name in task_names(root):
        with suppress(LfsganError):  # which `verify` tells
            adapter = task_file.read_info(task_path(root, name)).adapter
            lacking |= {} if adapter in installed else {name: adapter}
    return lacking


def _base(state: WorkspaceState) -> str:
    found = [finding for finding in state.findings if finding.task is None]
    return found[0].state if found else "none yet; the first task puts the embedded one there"


def _problems(state: WorkspaceState, command: Command) -> Iterator[Problem]:
    for finding in state.findings:
        if not finding.whole:
            yield _damage(finding)
    for task, adapter in state.lacking.items():
        yield Problem(f"task {task!r} is of the adapter {adapter!r}, which is not installed", "install its package")
    yield from (_resume(run, command) for run in state.unfinished)
    for name in state.relics:
        way = f"remove it with `{command('tasks', 'remove', name)}`, or learn {name!r} again"
        yield Problem(f"{str(run_folder(state.root, name))!r} holds what is left of a run, and no task came of it", way)
    if state.stale:
        way = f"remove them with `{command('doctor', '--clean')}`"
        yield Problem(f"killed processes left {_listed(state)}", way)
    yield from _disk_problems(state)


def _damage(finding: Finding) -> Problem:
    what, _, way = finding.why.partition("; ")
    if finding.state == "damaged":  # whatever the reader that found it would have expected
        way = base_file.WAY_OUT if finding.task is None else task_file.WAY_OUT
    return Problem(f"{finding.path.name} is {finding.state}: {what}", way)


def _resume(run: Unfinished, command: Command) -> Problem:
    if run.task is None:
        again = command("pretrain", "--data", "DATA", "--resume")
        return Problem(f"pretraining was stopped after {run.steps:,} steps", f"go on with `{again}`, or start again")
    way = f"go on with `{command('learn-task', '--name', run.task, '--resume')}`"
    drop = f"drop it with `{command('tasks', 'remove', run.task)}`"
    return Problem(f"learning {run.task!r} was stopped after {run.steps:,} steps", f"{way}, or {drop}")


def _listed(state: WorkspaceState) -> str:
    first = ", ".join(str(path.relative_to(state.root)) for path in state.stale[:3])
    return first if len(state.stale) <= 3 else f"{first} and {len(state.stale) - 3:,} more"


def _disk_problems(state: WorkspaceState) -> Iterator[Problem]:
    if not writable(state.root):
        yield Problem(f"nothing can be written to {str(state.root)!r}", "name another folder with --workspace")
    elif state.free < NEEDED_DISK:
        yield Problem(f"only {gib(state.free)} are free on the disk of {str(state.root)!r}", "make room there")
