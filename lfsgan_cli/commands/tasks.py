"""`lfsgan tasks`: what has been learned, read from the files' headers alone."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, Json, WorkspaceDir, everywhere
from lfsgan_cli.console import print_json, say, table, warn
from lfsgan_cli.errors import LfsganError

if TYPE_CHECKING:
    from lfsgan_cli.taskfile import TaskSummary

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
    from lfsgan_cli.taskfile import read_summary
    from lfsgan_cli.taskfolder import find_task

    task = read_summary(find_task(workspace, name))
    if as_json:
        print_json(_document(name, task))
    else:
        _print_task(name, task)


def _summaries(workspace: Path) -> "tuple[dict[str, TaskSummary], dict[str, str]]":
    from lfsgan_cli.taskfile import read_summary
    from lfsgan_cli.taskfolder import task_names, task_path

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
