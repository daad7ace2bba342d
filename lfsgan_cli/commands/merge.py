"""`lfsgan merge`: a task as a network of its own, for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, Json, WorkspaceDir
from lfsgan_cli.commands.generate import Strength
from lfsgan_cli.console import print_json, print_text

Task = Annotated[str, typer.Option("--task", metavar="NAME", help="A learned task.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A file to be written: OUT.pt or OUT.safetensors.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file where it is there already.")]


def merge(
    out: Out,
    task: Task,
    strength: Strength = 1.0,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write a task into the base, as a plain generator in rosinality's layout."""
    from lfsgan_cli.jobs import exporting
    from lfsgan_cli.workspace import check_workspace

    exporting.check_out(out, overwrite=overwrite)
    exporting.write(out, exporting.task_document(check_workspace(workspace), task, strength))
    if as_json:
        print_json({"task": task, "file": str(out), **({} if strength == 1 else {"strength": strength})})
    else:
        print_text(str(out))
