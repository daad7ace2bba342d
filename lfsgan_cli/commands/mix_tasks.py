"""`lfsgan tasks mix`: a blend of tasks stored as a task."""

from typing import Annotated

import typer

from lfsgan_cli.commands.console import print_json, say
from lfsgan_cli.commands.help import INPUT, OUTPUT
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, LayerStrengths, WorkspaceDir, to_repeat

NewName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the new task.")]
BlendOf = Annotated[
    str,
    typer.Option("--task", metavar="A=0.6,B=0.4", help="Tasks and their weights, of any sign.", rich_help_panel=INPUT),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the task of this name.", rich_help_panel=OUTPUT)]


def mix_tasks(
    ctx: typer.Context,
    name: NewName,
    task: BlendOf,
    strength: LayerStrengths = "1",
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Store a blend of tasks as a task of its own.

    The new task needs nothing outside its file, and gives the images of the blend exactly. The tasks stay as they are.
    """
    from lfsgan_cli.runs.mix_tasks import finish_mix, plan_mix
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.paths import task_path
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    job = plan_mix(place, name, task, parse_strength(strength), overwrite=overwrite)
    path, size = task_path(place.root, name), job.adapter.size
    if not dry_run:
        finish_mix(job, where)
    if as_json:
        print_json({"task": name, "file": str(path), "parameters": size, "blend": job.info.training["blend"]})
        return
    say(f"{'Would store' if dry_run else 'Stored'} the blend as task {name!r}, {size:,} parameters, in {path}.")
    if not dry_run:
        say(f"Generate: {to_repeat('generate', name, '-n', '64', workspace=place.root, device=device)}")
