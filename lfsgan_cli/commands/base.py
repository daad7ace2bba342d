"""`lfsgan base`: the network that all tasks of a workspace share: shown, taken from other programs, given to them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, say, table, warn
from lfsgan_cli.commands.help import INPUT, OUTPUT, Group
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, AnyWorkspace, DryRun, Json, WorkspaceDir

if TYPE_CHECKING:
    from lfsgan_cli.checkpoints.convert import BaseImport
    from lfsgan_cli.workspace.base_file import BaseSummary

base = typer.Typer(rich_markup_mode=None, no_args_is_help=True, cls=Group, help="Show, import or export the base.")

Foreign = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="StyleGAN2 checkpoint of rosinality or NVIDIA, or a base. Detected by content."
    ),
]
PartChoice = Annotated[
    Literal["g_ema", "g"],
    typer.Option("--part", rich_help_panel=INPUT, help="Generator to use: the EMA (g_ema) or the raw one (g)."),
]
BaseName = Annotated[
    str, typer.Option("--name", rich_help_panel=OUTPUT, help="Name of the base.  [default: the file's name]")
]
Replace = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace the base, if no task was learned on it.")
]
Out = Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .pt or .safetensors.")]
OverwriteOut = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace the file if it exists.")
]


@base.callback()
def group() -> None:
    """Show, import or export the base.

    The base is the StyleGAN2 that all tasks of a workspace share.
    """


def show(workspace: AnyWorkspace = DEFAULT_WORKSPACE, as_json: Json = False) -> None:
    """Show the base: its network, training and origin.

    Only the header of the file is read.
    """
    from lfsgan_cli.workspace.base_file import read_summary
    from lfsgan_cli.workspace.paths import base_path
    from lfsgan_cli.workspace.remote import local_copy

    summary = read_summary(base_path(local_copy(workspace, say)))
    if as_json:
        print_json({**asdict(summary), "network": summary.network.to_json()})
    else:
        table(("", ""), _rows(summary))


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
    """Import a StyleGAN2 checkpoint as the base.

    Reads checkpoints of rosinality (.pt) and NVIDIA (.pkl). No code in the file is executed.
    """
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


def export(
    out: Out,
    overwrite: OverwriteOut = False,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Export the base as a StyleGAN2 checkpoint.

    The file has rosinality's layout, which other programs read.
    """
    from lfsgan_cli.checkpoints import convert
    from lfsgan_cli.workspace.remote import local_copy
    from lfsgan_cli.workspace.workspace import check_workspace

    convert.check_out(out, overwrite=overwrite)
    place = check_workspace(local_copy(workspace, say))
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
            "the file has no discriminator, which learning a task needs; an untrained one is used instead, and tasks "
            "will be worse. Import a file with the discriminator if you have one"
        )
    if job.origin["noise"] == FRESH:
        say("The file has no constant noise inputs; noise of a fixed seed is used instead.")
    if job.origin["w_mean"] == COMPUTED:
        say(f"The file has no w_avg of {job.part!r}; it is computed.")


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
