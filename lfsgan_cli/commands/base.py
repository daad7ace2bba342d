"""`lfsgan base`: the network that all tasks of a workspace share."""

from dataclasses import asdict
from typing import Any

import typer

from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, Json, WorkspaceDir, everywhere
from lfsgan_cli.console import print_json, table

base = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Show the base of a workspace.")


@base.callback()
def group() -> None:
    """Show the base of a workspace."""


@base.command("show")
@everywhere
def show(workspace: WorkspaceDir = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Show what the base is, and how it was made."""
    from lfsgan_cli.basefile import read_summary
    from lfsgan_cli.taskfolder import base_path

    summary = read_summary(base_path(workspace))
    if as_json:
        print_json({**asdict(summary), "network": summary.network.to_json()})
        return
    rows: list[tuple[str, Any]] = [
        ("base", summary.name),
        ("identity", summary.identity),
        ("discriminator", summary.discriminator),
        *((f"  {key}", value) for key, value in summary.network.to_json().items()),
        ("training", ""),
        *((f"  {key}", value) for key, value in summary.training.items()),
        ("parameters", f"{summary.parameters:,}"),
        ("bytes", f"{summary.file_bytes:,}"),
    ]
    table(("", ""), rows)
