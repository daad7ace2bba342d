"""`lfsgan tasks`: what has been learned, read from the files' headers alone."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.generate import Strength
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir, everywhere, to_repeat
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.checkpoints.convert import Import
    from lfsgan_cli.workspace.manage import Finding, Removal
    from lfsgan_cli.workspace.task_file import TaskSummary


tasks = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List the learned tasks, show, check, rename, remove or exchange them.",
)

TaskName = Annotated[str, typer.Argument(metavar="NAME", help="A learned task.")]


@tasks.command("list")
@everywhere
def list_(workspace: WorkspaceDir = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """List the learned tasks."""
    readable, unreadable = _summaries(workspace)
    for name, error in unreadable.items():
        warn(f"task {name!r} is left out: {error}")
    if as_json:
        print_json({"tasks": [_document(name, task) for name, task in readable.items()], "unreadable": unreadable})
    elif readable:
        _print_list(readable)
    elif not unreadable:
        say("No task has been learned here yet; `lfsgan learn-task --images DIR --name NAME` learns one.")


@tasks.command("show")
@everywhere
def show(name: TaskName, workspace: WorkspaceDir = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Show how a task was learned, and what its file holds."""
    from lfsgan_cli.workspace.paths import find_task
    from lfsgan_cli.workspace.task_file import read_summary

    task = read_summary(find_task(workspace, name))
    if as_json:
        print_json(_document(name, task))
    else:
        _print_task(name, task)


def _summaries(workspace: Path) -> "tuple[dict[str, TaskSummary], dict[str, str]]":
    from lfsgan_cli.workspace.paths import task_names, task_path
    from lfsgan_cli.workspace.task_file import read_summary

    readable: dict[str, TaskSummary] = {}
    unreadable: dict[str, str] = {}
    for name in task_names(workspace):
        try:
            readable[name] = read_summary(task_path(workspace, name))
        except LfsganError as error:
            unreadable[name] = str(error)
    return readable, unreadable


def _document(name: str, task: "TaskSummary") -> dict[str, Any]:
    return {**asdict(task.info), "name": name, "parameters": task.parameters, "bytes": task.file_bytes}


def _print_list(readable: "dict[str, TaskSummary]") -> None:
    rows = [
        (name, task.info.adapter, task.info.base.name, task.parameters, task.file_bytes)
        for name, task in readable.items()
    ]
    table(("task", "adapter", "base", "parameters", "bytes"), rows)


def _print_task(name: str, task: "TaskSummary") -> None:
    info = task.info
    rows: list[tuple[str, object]] = [
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
    table(("", ""), rows)


# `lfsgan tasks import` and `lfsgan tasks export`: task files of the public LFS-GAN code.


Official = Annotated[
    Path, typer.Argument(metavar="OFFICIAL.pt", help="A task file that the public LFS-GAN code saved.")
]
NewName = Annotated[str, typer.Option("--name", metavar="NAME", help="What the task is called here.")]
Activation = Annotated[
    bool | None,
    typer.Option(
        "--activation/--no-activation",
        help="Whether it was learned with `--left_use_act`, which the file does not tell.  [default: it was]",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the task of this name.")]
Out = Annotated[Path, typer.Argument(metavar="OUT.pt", help="Where the file goes.")]
OverwriteFile = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


def import_task(
    ctx: typer.Context,
    file: Official,
    name: NewName,
    activation: Activation = None,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take in a task of the public LFS-GAN code; the workspace must have its base."""
    from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    job = plan_task_import(place, file, name, activation=activation is not False, overwrite=overwrite)
    if not dry_run:
        finish_import(job, where)
    path = task_path(place.root, name)
    _tell_activation(job, known=activation is not None)
    if as_json:
        print_json({
            "task": name, "file": str(path), "parameters": job.adapter.size, "options": job.info.config,
            "negative_gates": job.negative_gates, "activation_matters": job.negative_gates > 0,
        })  # fmt: skip
        return
    facts = f"{job.adapter.size:,} parameters of rank {job.info.config['rank']}"
    if dry_run:
        say(f"Would import {file.name!r} as task {name!r}: {facts}.")
        return
    say(f"Task {name!r} is in {path}: {facts}.")
    say(f"Draw it: {to_repeat('generate', '--task', name, '-n', '64', workspace=place.root, device=device)}")


def export_task(
    name: TaskName,
    out: Out,
    overwrite: OverwriteFile = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write a task as a file of the public LFS-GAN code."""
    from lfsgan_cli.checkpoints.convert import plan_task_export
    from lfsgan_cli.checkpoints.lfsgan import write

    task = plan_task_export(workspace, name, out, overwrite=overwrite)
    write(out, task.tensors)
    if as_json:
        print_json({"task": name, "file": str(out), "tensors": len(task.tensors), "options": task.info.config})
        return
    flag = "with" if task.info.config["activation"] else "without"
    say(f"{out} holds {len(task.tensors)} tensors of rank {task.info.config['rank']}, learned {flag} the activation.")
    say(f"Use it with the base {task.info.base.name!r}: `lfsgan base export` writes that.")


def _tell_activation(job: "Import", *, known: bool) -> None:
    if not job.negative_gates:
        say("The activation makes no difference in this file: none of its gates is negative.")
    elif not known:
        warn(
            f"the file does not tell whether it was learned with the activation, and it matters: "
            f"{job.negative_gates:.1%} of its gates are negative; taken as learned with it, which is the public "
            "code's default: otherwise import it with --no-activation"
        )


# `lfsgan tasks rename`, `lfsgan tasks remove` and `lfsgan tasks verify`: keeping house, without torch.


RenamedTo = Annotated[str, typer.Argument(metavar="NEW", help="What it is called from now on.")]
Doomed = Annotated[list[str], typer.Argument(metavar="NAME...", help="Tasks, or runs that were not finished.")]
Checked = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME...]", help="Learned tasks.  [default: all]", show_default=False)
]


def rename_task(
    name: TaskName,
    new: RenamedTo,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Give a task another name; its file keeps every byte."""
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
    """Remove tasks, and what learning them left; nothing is asked."""
    from lfsgan_cli.workspace import manage

    removals = (manage.removals if dry_run else manage.remove)(workspace, names)
    if as_json:
        print_json({"removed": [_tidied_document(removal) for removal in removals]})
        return
    for removal in removals:
        say(f"{'Would remove' if dry_run else 'Removed'} {_spell(removal)}: {removal.bytes:,} bytes.")


def verify_tasks(
    names: Checked = None,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Check the base and the tasks, to the last bit; exit code 1 where one is not what was saved."""
    from lfsgan_cli.workspace import manage

    findings = list(manage.verify(workspace, names or None))
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


# `lfsgan merge`: a task as a network of its own, for other programs.


Task = Annotated[str, typer.Option("--task", metavar="NAME", help="A learned task.")]
MergeOut = Annotated[Path, typer.Argument(metavar="OUT", help="A file to be written: OUT.pt or OUT.safetensors.")]
MergeOverwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file where it is there already.")]


def merge(
    out: MergeOut,
    task: Task,
    strength: Strength = 1.0,
    overwrite: MergeOverwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write a task into the base, as a plain generator in rosinality's layout."""
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.workspace import check_workspace

    convert.check_out(out, overwrite=overwrite)
    convert.write(out, convert.task_document(check_workspace(workspace), task, strength))
    if as_json:
        print_json({"task": task, "file": str(out), **({} if strength == 1 else {"strength": strength})})
    else:
        print_text(str(out))
