"""`lfsgan base`: the network that all tasks of a workspace share: shown, taken from other programs, given to them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, DryRun, Json, WorkspaceDir, everywhere

if TYPE_CHECKING:
    from lfsgan_cli.checkpoints.convert import BaseImport
    from lfsgan_cli.workspace.base_file import BaseSummary

base = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Show, import or export the base of a workspace.")

Foreign = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A StyleGAN2 of rosinality's or NVIDIA's code, or a base; known by content."),
]
PartChoice = Annotated[
    Literal["g_ema", "g"], typer.Option("--part", help="Which generator tasks stand on: the average or the live one.")
]
BaseName = Annotated[str, typer.Option("--name", help="What the base is called; its file's name if not given.")]
Replace = Annotated[bool, typer.Option("--overwrite", help="Replace this workspace's base, if no task needs it.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="A file to be written: OUT.pt or OUT.safetensors.")]
OverwriteOut = Annotated[bool, typer.Option("--overwrite", help="Replace the file where it is there already.")]


@base.callback()
def group() -> None:
    """Show, import or export the base of a workspace."""


@base.command("show")
@everywhere
def show(workspace: WorkspaceDir = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Show what the base is, how it was made, and where it came from."""
    from lfsgan_cli.workspace.base_file import read_summary
    from lfsgan_cli.workspace.paths import base_path

    summary = read_summary(base_path(workspace))
    if as_json:
        print_json({**asdict(summary), "network": summary.network.to_json()})
    else:
        table(("", ""), _rows(summary))


@base.command("import")
@everywhere
def import_(
    ctx: typer.Context,
    file: Foreign,
    part: PartChoice = "g_ema",
    name: BaseName = "",
    overwrite: Replace = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a network of another program the base; nothing in its file is executed."""
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.locks import hold_base
    from lfsgan_cli.workspace.workspace import workspace_at

    place = workspace_at(workspace)
    if not dry_run:
        ctx.with_resource(hold_base(place.root))
    job = convert.plan_base_import(place, file, part=part, name=name, overwrite=overwrite)
    _tell_lacks(job)
    if dry_run:
        _tell_plan(job, as_json=as_json)
    else:
        _tell_base(job, job.run(), as_json=as_json)


@base.command("export")
@everywhere
def export(
    out: Out,
    overwrite: OverwriteOut = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Write the base in rosinality's layout, which other programs read."""
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.workspace import check_workspace

    convert.check_out(out, overwrite=overwrite)
    place = check_workspace(workspace)
    convert.write(out, convert.base_document(place))
    if as_json:
        print_json({"base": place.base.name, "file": str(out), "identity": place.base.identity})
    else:
        print_text(str(out))


def _rows(summary: "BaseSummary") -> list[tuple[str, Any]]:
    return [
        ("base", summary.name),
        ("identity", summary.identity),
        ("discriminator", summary.discriminator),
        *((f"  {key}", value) for key, value in summary.network.to_json().items()),
        *_section("training", summary.training),
        *_section("imported", summary.origin),
        ("parameters", f"{summary.parameters:,}"),
        ("of the discriminator", f"{summary.discriminator_parameters:,}"),
        ("bytes", f"{summary.file_bytes:,}"),
    ]


def _section(title: str, values: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(title, ""), *((f"  {key}", value) for key, value in values.items())] if values else []


def _tell_lacks(job: "BaseImport") -> None:
    from lfsgan_cli.checkpoints.convert import COMPUTED, FRESH

    if job.origin["discriminator"] == FRESH:
        warn(
            "the file has no discriminator, which learning a task needs: a fresh, untrained one is put in its place, "
            "and tasks will learn worse than with the one that the generator was trained against"
        )
    if job.origin["noise"] == FRESH:
        say("The file has no constant noise; fresh noise of a fixed seed takes its place.")
    if job.origin["w_mean"] == COMPUTED:
        say(f"The file has no mean w of {job.part!r}; it is computed.")


def _tell_plan(job: "BaseImport", *, as_json: bool) -> None:
    network = job.checkpoint.config.to_json()
    if as_json:
        print_json({"base": job.name, "network": network, "origin": job.origin})
    else:
        say(f"Would make {job.name!r} the base: {job.checkpoint.kind}, {network['resolution']} pixels a side.")


def _tell_base(job: "BaseImport", summary: "BaseSummary", *, as_json: bool) -> None:
    path = job.workspace.base_path
    if as_json:
        about = {"base": summary.name, "file": str(path), "identity": summary.identity}
        print_json({**about, "origin": summary.origin, "parameters": summary.parameters})
    else:
        say(f"Base {summary.name!r} is in {path}: {summary.parameters:,} parameters, {summary.identity[:12]}….")
