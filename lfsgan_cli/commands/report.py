"""`lfsgan report`: a workspace or a benchmark as one HTML page, as Markdown and as CSV."""

from pathlib import Path
from typing import Annotated

import typer

from lfsgan_cli.commands.console import print_json, print_text, progress, say, warn
from lfsgan_cli.commands.help import OUTPUT
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir

Folder = Annotated[
    Path | None,
    typer.Argument(metavar="[FOLDER]", help="Workspace or benchmark.  [default: --workspace]", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE.html", rich_help_panel=OUTPUT,
        help="The page; Markdown and CSV go beside it.  [default: FOLDER/report.html]",
    ),
]  # fmt: skip


def report(
    folder: Folder = None,
    out: Out = None,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Write an HTML report of a workspace or benchmark.

    One page with images, training curves and metrics, and the same numbers as Markdown and CSV.
    """
    where = workspace if folder is None else folder
    if out is not None and out.suffix.lower() not in {".html", ".htm"}:
        raise typer.BadParameter(f"expected a name that ends in .html, not {str(out)!r}", param_hint="--out")
    from lfsgan_cli.report.build import ReportFiles, kind_of, open_report
    from lfsgan_cli.system.device import pick

    kind, device_found = kind_of(where), pick(device)
    files = ReportFiles(where / "report.html" if out is None else out)
    files.check()
    found = open_report(where)
    if not dry_run:
        with progress("Generating", found.pictures(), unit="images") as advance:
            page = found.page(device_found, advance)
        for name, why in found.refused.items():
            warn(f"{name!r} has no images in the report: {why}")
        files.write(page)
    if as_json:
        paths = {"html": str(files.html), "markdown": str(files.markdown), "csv": str(files.csv)}
        print_json({"kind": kind, **paths, "left_out": dict(found.refused)})
    elif dry_run:
        say(f"Would report the {kind} at {str(where)!r} in {str(files.html)!r}, with .md and .csv beside it.")
    else:
        print_text(str(files.html))
