"""`lfsgan tasks import` and `lfsgan tasks export`: task files of the public LFS-GAN code."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir, to_repeat
from lfsgan_cli.commands.tasks import TaskName
from lfsgan_cli.console import print_json, say, warn

if TYPE_CHECKING:
    from lfsgan_cli.jobs.taskfiles import Import

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
    from lfsgan_cli.devices import pick
    from lfsgan_cli.jobs.taskfiles import begin_import, finish_import
    from lfsgan_cli.locks import hold_tasks
    from lfsgan_cli.taskfolder import task_path
    from lfsgan_cli.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    job = begin_import(place, file, name, activation=activation is not False, overwrite=overwrite)
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
    from lfsgan_cli.checkpoints.lfsgan import write
    from lfsgan_cli.jobs.taskfiles import begin_export

    task = begin_export(workspace, name, out, overwrite=overwrite)
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
