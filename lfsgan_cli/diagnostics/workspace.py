"""The state of a workspace: damaged files, unfinished runs, locks, and what killed processes left behind."""

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
from lfsgan_cli.workspace.manage import Finding, trash, verify
from lfsgan_cli.workspace.paths import run_folder, run_names, task_names, task_path

NEEDED_DISK = 200 << 20  # bytes: a run keeps two checkpoints of about 30 MB on the embedded base, and images
_WRITING = 5.0  # seconds: a younger temporary file may be a write in progress
_WRITING_UNDER_LOCK = 600.0  # seconds: where a process works, large files may take their time

Command = Callable[..., str]  # from the words of a command to its line for this workspace


@dataclass(frozen=True)
class Unfinished:
    """A run that can be resumed. task: None is the base; steps: those done."""

    task: str | None
    steps: int


@dataclass(frozen=True)
class WorkspaceState:
    """The state of a workspace.

    findings: the result of `verify` for each file. relics: runs without a task and without a checkpoint. stale: files
    and folders of killed processes. lacking: from tasks whose adapter is not installed to its name. free: bytes.
    spare: removed tasks in the trash, and checkpoints of finished runs.
    """

    root: Path
    findings: tuple[Finding, ...]
    held: dict[str, Holder | None]
    unfinished: tuple[Unfinished, ...]
    relics: tuple[str, ...]
    stale: tuple[Path, ...]
    lacking: dict[str, str]
    free: int
    spare: tuple[Path, ...] = ()


def examine(root: Path) -> WorkspaceState:
    """Examine a workspace, which may not exist yet; nothing is changed."""
    there = next(place for place in (root, *root.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if not root.is_dir():
        return WorkspaceState(root, (), {}, (), (), (), {}, free)
    held, runs = locks.held(root), []
    for name in run_names(root):
        with suppress(LfsganError):  # a folder whose name no task can have is no run
            runs.append(run_folder(root, name).name)
    unfinished, relics, spare = [], [], trash(root)
    for task, folder in [(None, root / "base"), *((name, run_folder(root, name)) for name in runs)]:
        checkpoints = checkpoint_file.paths(folder)
        if locks.what(task) in held:
            continue
        if checkpoints and checkpoint_file.is_unfinished(folder):
            unfinished.append(Unfinished(task, checkpoint_file.step_of(checkpoints[0])))
        elif task is not None and not task_path(root, task).exists():
            relics.append(task)
        else:  # of a finished run, kept to lengthen it
            spare += checkpoints
    stale, lacking = tuple(_stale(root, held)), _lacking(root)
    return WorkspaceState(
        root, tuple(verify(root)), held, tuple(unfinished), tuple(relics), stale, lacking, free, tuple(spare)
    )


def _lacking(root: Path) -> dict[str, str]:
    installed, adapters = registry.names(), {}
    for name in task_names(root):
        with suppress(LfsganError):  # a damaged file is among the findings
            adapters[name] = task_file.read_info(task_path(root, name)).adapter
    return {name: adapter for name, adapter in adapters.items() if adapter not in installed}


def _stale(root: Path, held: dict[str, Holder | None]) -> Iterator[Path]:
    """What killed processes left: temporary files, folders that were being removed, locks of dead processes."""
    patience = _WRITING_UNDER_LOCK if held else _WRITING
    for path in partials(root):
        with suppress(FileNotFoundError):
            if time.time() - path.lstat().st_mtime > patience:
                yield path
    yield from locks.abandoned(root)


def remove_stale(state: WorkspaceState) -> list[Path]:
    """Remove what killed processes left, and what can be done without; the paths that could not be removed."""
    for path in (*state.stale, *state.spare):
        if path.parent.name == locks.FOLDER:
            locks.remove_abandoned(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return [path for path in (*state.stale, *state.spare) if path.exists()]


def report(state: WorkspaceState, command: Command) -> MachineReport:
    """The state in words, with what to do about each problem."""
    base = [finding.state for finding in state.findings if finding.task is None]
    tasks = [finding for finding in state.findings if finding.task is not None]
    kept = f"{len(state.spare):,} removed tasks or checkpoints of finished runs: `{command('doctor', '--clean')}`"
    spare = [("can be removed", kept)] if state.spare else []
    facts = (
        ("workspace", str(state.root) if state.root.is_dir() else f"{state.root}, which is not there yet"),
        ("base", base[0] if base else "none yet; the first task puts the embedded one there"),
        ("tasks", f"{sum(finding.whole for finding in tasks)} whole of {len(tasks)}"),
        ("free on its disk", gib(state.free)),
        *spare,
        *((f"{what}, worked on by", locks.spell(holder)) for what, holder in state.held.items()),
    )
    return MachineReport("workspace", facts, tuple(_problems(state, command)))


def _problems(state: WorkspaceState, command: Command) -> Iterator[Problem]:
    yield from (_damage(finding) for finding in state.findings if not finding.whole)
    for task, adapter in state.lacking.items():
        yield Problem(f"task {task!r} is of the adapter {adapter!r}, which is not installed", "install its package")
    yield from (_unfinished(run, command) for run in state.unfinished)
    for name in state.relics:
        way = f"remove it with `{command('tasks', 'remove', name)}`, or learn {name!r} again"
        yield Problem(f"{str(run_folder(state.root, name))!r} holds what is left of a run, and no task came of it", way)
    if state.stale:
        first = ", ".join(str(path.relative_to(state.root)) for path in state.stale[:3])
        more = f" and {len(state.stale) - 3:,} more" if len(state.stale) > 3 else ""
        yield Problem(f"killed processes left {first}{more}", f"remove them with `{command('doctor', '--clean')}`")
    if not writable(state.root):
        yield Problem(f"nothing can be written to {str(state.root)!r}", "name another folder with --workspace")
    elif state.free < NEEDED_DISK:
        yield Problem(f"only {gib(state.free)} are free on the disk of {str(state.root)!r}", "make room there")


def _damage(finding: Finding) -> Problem:
    what, _, way = finding.why.partition("; ")
    if finding.state == "damaged":  # whatever its reader expected
        way = base_file.BaseFileError.way_out if finding.task is None else task_file.TaskFileError.way_out
    return Problem(f"{finding.path.name} is {finding.state}: {what}", way)


def _unfinished(run: Unfinished, command: Command) -> Problem:
    if run.task is None:
        resume = command("pretrain", "--data", "DATA", "--resume")
        return Problem(f"pretraining was stopped after {run.steps:,} steps", f"resume with `{resume}`, or start again")
    resume = command("learn-task", "--name", run.task, "--resume")
    remove = command("tasks", "remove", run.task)
    what = f"learning {run.task!r} was stopped after {run.steps:,} steps"
    return Problem(what, f"resume with `{resume}`, or remove it with `{remove}`")
