"""`lfsgan tasks`: what has been learned, read from the files' headers alone."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.help import OUTPUT, Group
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Device,
    DryRun,
    Json,
    WorkspaceDir,
    task_names,
    to_repeat,
)
from lfsgan_cli.errors import LfsganError, printable
from lfsgan_cli.options import spell
from lfsgan_cli.workspace.paths import is_remote

if TYPE_CHECKING:
    from lfsgan_cli.workspace.listing import InterruptedRun, Listing
    from lfsgan_cli.workspace.manage import Finding, Removal
    from lfsgan_cli.workspace.task_file import TaskSummary


tasks = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, cls=Group, help="List, check, rename, remove and convert tasks."
)

TaskName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=task_names, help="A task.")]


Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, rich_help_panel=OUTPUT, help="List the first N only.")
]
After = Annotated[
    str, typer.Option("--after", metavar="NAME", rich_help_panel=OUTPUT, help="List the tasks that follow this name.")
]
Full = Annotated[bool, typer.Option("--full", rich_help_panel=OUTPUT, help="Show every setting.")]
Step = Annotated[int, typer.Argument(metavar="STEP", help="Step of a snapshot.")]
GridFile = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="PNG", rich_help_panel=OUTPUT, help="Image file.  [default: snapshots.png in the run's folder]"
    ),
]


def list_(
    limit: Limit = None,
    after: After = "",
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """List the tasks of the workspace.

    With date, steps, images, adapter, size and latest FID; interrupted runs follow. Only headers and logs are read, and
    those of the first tasks are shown while the others are read.
    """
    from lfsgan_cli.workspace import listing

    if is_remote(workspace):
        from lfsgan_cli.workspace.remote import remote_at

        pages = remote_at(workspace).pages(after=after, limit=limit)
    else:
        pages = listing.pages(workspace, after=after, limit=limit)
    documents: list[dict[str, Any]] = []
    interrupted: list[InterruptedRun] = []
    unreadable: dict[str, str] = {}
    widths, cut = [0] * len(_HEADINGS), None
    for page in pages:
        new = dict(page.unreadable)
        documents += _documents(workspace, page, new) if as_json else []
        for name, reason in new.items():
            warn(f"task {name!r} is left out: {reason}")
        if page.tasks and not as_json:
            widths = _print_page(page, widths)
        interrupted += page.interrupted
        unreadable |= new
        cut = page.cut
    if as_json:
        runs = [asdict(run) for run in interrupted]
        more = {} if cut is None else {"cut": cut}
        print_json({"tasks": documents, "interrupted": runs, "unreadable": unreadable, **more})
        return
    _print_interrupted(interrupted, workspace)
    if cut is not None:
        say(f"There are more: {to_repeat('tasks', 'list', '--after', cut, workspace=workspace)}")
    elif not (any(widths) or interrupted or unreadable or after):
        say("No task has been learned here yet; `lfsgan learn-task --images DIR --name NAME` learns one.")


def _documents(workspace: Path, found: "Listing", unreadable: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Of every task; those whose header a strict reading refuses are added to `unreadable`."""
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.task_file import read_summary

    for task in found.tasks:
        try:
            document = task.document or _document(task.name, read_summary(task_path(workspace, task.name)))
        except LfsganError as error:
            unreadable[task.name] = str(error)
        else:
            yield {**document, "learned": task.learned, "fid": task.fid and task.fid[1]}


_HEADINGS = ("task", "learned", "steps", "images", "adapter", "size", "FID")
_NUMBERS = (2, 3, 5)  # columns of `tasks list` that stand to the right


def _print_page(page: "Listing", widths: list[int]) -> list[int]:
    """Print some rows, in columns at least as wide as before; the widths. The headings come before the first row."""
    rows = [
        (
            printable(task.name), printable(task.learned[:10]), _or_dash(task.steps), _or_dash(task.images),
            printable(task.adapter), f"{task.file_bytes / 1000:,.0f} kB", printable(_fid(task.fid)),
        )
        for task in page.tasks
    ]  # fmt: skip
    if not any(widths):
        rows.insert(0, _HEADINGS)
    # Laid out here: a table of Rich's takes half a second for a thousand tasks, and wants all of them at once.
    widths = [max(before, *map(len, column)) for before, column in zip(widths, zip(*rows, strict=True), strict=True)]
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        for at in _NUMBERS:
            padded[at] = row[at].rjust(widths[at])
        print_text("  ".join(padded).rstrip())
    return widths


def _print_interrupted(runs: "list[InterruptedRun]", workspace: Path) -> None:
    for run in runs:
        total = f" of {run.total:,}" if run.total else ""
        again = to_repeat("learn-task", "--name", run.name, "--resume", workspace=workspace)
        print_text(f"{run.name}: interrupted after step {run.done:,}{total}; resume with: {again}")


def show(
    name: TaskName, full: Full = False, workspace: AnyWorkspace = DEFAULT_WORKSPACE, as_json: Json = False
) -> None:
    """Show how a task was learned.

    The adapter and its options, the base, the training settings and the size of the task file.
    """
    from lfsgan_cli.workspace.paths import find_task
    from lfsgan_cli.workspace.remote import local_copy
    from lfsgan_cli.workspace.task_file import read_summary

    task = read_summary(find_task(local_copy(workspace, say, [name], base=False), name))
    if as_json:
        print_json(_document(name, task))
    else:
        table(("", ""), _all_rows(name, task) if full else _rows(name, task))


def show_snapshots(
    name: TaskName,
    out: GridFile = None,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show the snapshots of a task's run as one image.

    One row a snapshot, the same seeds in each. `lfsgan tasks pick cats 750` makes that of step 750 the task.
    """
    from lfsgan_cli.runs.snapshots import write_grid
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import check_workspace

    path, steps = write_grid(check_workspace(workspace), name, out, pick(device))
    if as_json:
        print_json({"task": name, "file": str(path), "steps": steps})
        return
    say(f"Rows, from the top: steps {', '.join(f'{step:,}' for step in steps)}.")
    print_text(str(path))


def pick_snapshot(
    ctx: typer.Context,
    name: TaskName,
    step: Step,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Make a snapshot the task.

    The task file is rewritten and its retention record with it. The last step is a snapshot too, so that this can be
    taken back.
    """
    from lfsgan_cli.runs import snapshots
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.workspace import check_workspace

    place = check_workspace(workspace)
    ctx.with_resource(hold_tasks(place.root, name))
    path = snapshots.pick(place, name, step, pick(device))
    if as_json:
        print_json({"task": name, "step": step, "file": str(path)})
    else:
        say(f"Task {name!r} is the snapshot of step {step:,} now, in {path}.")


def _document(name: str, task: "TaskSummary") -> dict[str, Any]:
    return {**asdict(task.info), "name": name, "parameters": task.parameters, "bytes": task.file_bytes}


def _or_dash(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _fid(found: tuple[str, float] | None) -> str:
    """The value, and the extractor of a metric's name such as `fid[inception] n=5000 reals=2000`."""
    return f"{found[1]:.2f} {found[0].partition('[')[2].partition(']')[0]}" if found else "-"


_MAIN = (
    "recipe",
    "steps",
    "snapshot",
    "batch",
    "lr",
    "seed",
    "mirror",
    "precision",
    "shot_count",
    "init_from",
    "imported",
)


def _rows(name: str, task: "TaskSummary") -> list[tuple[str, object]]:
    """What fits a terminal of 24 rows."""
    info = task.info
    options = " ".join(f"{key}={spell(value)}" for key, value in info.config.items())
    training = {key: info.training[key] for key in _MAIN if key in info.training}
    more = info.training.get("lengthened")
    return [
        ("task", name),
        ("adapter", f"{info.adapter} {info.adapter_version}"),
        ("options", options or "-"),
        ("base", f"{info.base.name} ({info.base.identity[:12]}…)"),
        *((f"  {key}", value) for key, value in training.items()),
        *([("  lengthened", ", ".join(f"{each['steps']} at step {each['at']}" for each in more))] if more else []),
        ("parameters", f"{task.parameters:,}"),
        ("size", f"{task.file_bytes:,} bytes"),
        ("", "every setting: --full"),
    ]


def _all_rows(name: str, task: "TaskSummary") -> list[tuple[str, object]]:
    info = task.info
    return [
        ("task", name),
        ("adapter", f"{info.adapter} {info.adapter_version}"),
        *((f"  {key}", value) for key, value in info.config.items()),
        ("base", f"{info.base.name} ({info.base.identity})"),
        *((f"  {key}", value) for key, value in info.base.network.items()),
        ("training", ""),
        *((f"  {key}", value) for key, value in info.training.items()),
        ("parameters", f"{task.parameters:,}"),
        ("bytes", f"{task.file_bytes:,}"),
    ]


# `lfsgan tasks rename`, `lfsgan tasks remove` and `lfsgan tasks verify`, without torch.


RenamedTo = Annotated[str, typer.Argument(metavar="NEW", help="New name.")]
Doomed = Annotated[
    list[str], typer.Argument(metavar="NAME...", autocompletion=task_names, help="Tasks, or unfinished runs.")
]
Checked = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME...]", autocompletion=task_names, help="Tasks to check.  [default: all]", show_default=False
    ),
]


def rename_task(
    name: TaskName,
    new: RenamedTo,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Rename a task.

    The task file keeps every byte; its run folder is renamed with it.
    """
    from lfsgan_cli.workspace import manage
    from lfsgan_cli.workspace.paths import task_path

    if dry_run:
        manage.check_rename(workspace, name, new)
    else:
        manage.rename(workspace, name, new)
    path = task_path(workspace, new)
    if as_json:
        print_json({"task": new, "was": name, "file": str(path)})
    else:
        say(f"{'Would rename' if dry_run else 'Renamed'} task {name!r} to {new!r}, in {path}.")


def remove_tasks(
    names: Doomed,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove tasks and their run folders.

    They go to the workspace's trash, which `lfsgan doctor --clean` empties; `--dry-run` lists what would be removed.
    """
    from lfsgan_cli.workspace import manage
    from lfsgan_cli.workspace.paths import TRASH

    removals = (manage.removals if dry_run else manage.remove)(workspace, names)
    if as_json:
        print_json({"removed": [_tidied_document(removal) for removal in removals]})
        return
    for removal in removals:
        say(f"{'Would remove' if dry_run else 'Removed'} {_spell(removal)}: {removal.bytes:,} bytes.")
    if not dry_run:
        say(f"They are in {workspace / TRASH}; `{to_repeat('doctor', '--clean', workspace=workspace)}` empties it.")


def verify_tasks(
    names: Checked = None,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Check that task files and base are undamaged.

    Compares every file with the hash that was recorded when it was saved. Exits with code 1 if one differs.
    """
    from lfsgan_cli.workspace import manage
    from lfsgan_cli.workspace.remote import local_copy

    root = local_copy(workspace, say, names or [], every=not names)
    findings = list(manage.verify(root, names or None))
    whole = all(finding.whole for finding in findings)
    if as_json:
        print_json({"whole": whole, "files": [finding.to_json() for finding in findings]})
    else:
        _print(findings)
    if not whole:
        raise typer.Exit(1)


def _tidied_document(removal: "Removal") -> dict[str, Any]:
    paths = [str(path) for path in (removal.file, removal.run) if path is not None]
    return {"task": removal.name, "paths": paths, "bytes": removal.bytes}


def _spell(removal: "Removal") -> str:
    if removal.file is None:
        return f"what is left of the run {removal.name!r}"
    return f"task {removal.name!r}" + (" and its run" if removal.run is not None else "")


def _print(findings: "list[Finding]") -> None:
    if not findings:
        say("There is no task here yet, and no base.")
        return
    rows = [(finding.path.name, finding.state, finding.why or "every bit is as it was saved") for finding in findings]
    table(("file", "state", ""), rows)
