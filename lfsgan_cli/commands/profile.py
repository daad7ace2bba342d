"""`lfsgan bench`: how fast this machine trains and draws, how near that is to its limits, and what binds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lfsgan_cli.commands.console import print_json, print_text, progress, say, table
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir, given_options

if TYPE_CHECKING:
    from lfsgan_cli.profiling.profile import Page, ProfiledNetworks

Resolution = Annotated[
    int | None,
    typer.Option("--resolution", help="Instead of a base: random networks of this size, in the layout of FFHQ's."),
]
Seconds = Annotated[float, typer.Option("--seconds", min=0, help="How long each phase is measured, at two runs least.")]


def profile(
    ctx: typer.Context,
    resolution: Resolution = None,
    seconds: Seconds = 3.0,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure how fast this machine trains and draws, and what binds it."""
    if resolution is not None and given_options(ctx, ["workspace"]):
        raise typer.BadParameter("give either --resolution or --workspace", param_hint="--resolution")
    from lfsgan_cli.system.device import pick

    subject, where = _subject(workspace, resolution), pick(device)
    if dry_run:
        _tell_plan(subject, str(where), seconds, as_json=as_json)
        return
    from lfsgan_cli.profiling.profile import PIECES, measure_page

    with progress("Measuring", PIECES, unit="parts") as advance:
        page = measure_page(subject, where, seconds, advance)
    if as_json:
        print_json(page.to_json())
    else:
        _print(page)


def _subject(workspace: Path, resolution: int | None) -> "ProfiledNetworks":
    from lfsgan_cli.profiling.profile import base_of, random_networks
    from lfsgan_cli.workspace.workspace import workspace_at

    return base_of(workspace_at(workspace)) if resolution is None else random_networks(resolution)


def _tell_plan(subject: "ProfiledNetworks", device: str, seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json({"network": subject.name, "device": device, "seconds": seconds})
    else:
        say(f"Would measure {subject.name} on {device}, each phase for {seconds:g} s or twice.")


def _print(page: "Page") -> None:
    _print_machine(page)
    print_text("")
    table(("of", "phase", "in a step", "ms", "% of step", "GFLOP", "GFLOP/s", "% of peak", "bound by"), _rows(page))
    print_text("")
    table(("total", "value", "unit"), [(total.of, round(total.value, 2), total.unit) for total in page.totals()])


def _rows(page: "Page") -> list[tuple[str, str, float, float, float, float, float, float, str]]:
    return [
        (
            line.section.name, line.row.name, round(line.row.per_step, 3), round(line.row.seconds * 1e3, 1),
            round(line.share * 100, 1), round(line.row.work.flops / 1e9, 1), round(line.speed / 1e9, 1),
            round(line.of_peak * 100, 1), line.bound,
        )
        for line in page.lines
    ]  # fmt: skip


def _print_machine(page: "Page") -> None:
    machine, peaks = page.machine, page.peaks
    memory = "unknown" if machine.memory is None else f"{machine.memory / 2**30:.1f} GiB"
    rows = [
        ("device", machine.device),
        ("processor", f"{machine.cpu}, {machine.cores} cores, {machine.threads} torch threads"),
        ("memory", memory),
        ("torch", machine.torch),
        ("networks", page.network),
        ("convolution, fp32", f"{peaks.conv_fp32 / 1e9:,.1f} GFLOP/s"),
        ("convolution, bf16", f"{peaks.conv_bf16 / 1e9:,.1f} GFLOP/s"),
        ("copying", f"{peaks.copy / 1e9:,.1f} GB/s"),
    ]
    table(("machine", ""), rows)
