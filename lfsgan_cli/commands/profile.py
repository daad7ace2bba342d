"""`lfsgan profile`: how fast this machine trains and generates, and what the bottleneck of each phase is."""

from typing import TYPE_CHECKING, Annotated

import typer

from lfsgan_cli.commands.console import print_json, print_text, progress, say, table
from lfsgan_cli.commands.help import INPUT, MACHINE
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir, given_options

if TYPE_CHECKING:
    from lfsgan_cli.profiling.profile import Profile

Resolution = Annotated[
    int | None,
    typer.Option(
        "--resolution", rich_help_panel=INPUT, help="Random networks of this size (FFHQ's widths) instead of a base."
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds", min=0, max=3600, rich_help_panel=MACHINE, help="Seconds for each phase; at least two runs."
    ),
]


def profile(
    ctx: typer.Context,
    resolution: Resolution = None,
    seconds: Seconds = 3.0,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure how fast this machine trains and generates.

    Times every phase of a training step and of sampling, next to the peak rates of the device.
    """
    if resolution is not None and given_options(ctx, ["workspace"]):
        raise typer.BadParameter("pass either --resolution or --workspace", param_hint="--resolution")
    from lfsgan_cli.profiling.profile import PARTS, base_of, random_networks
    from lfsgan_cli.profiling.profile import profile as run
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import workspace_at

    subject = base_of(workspace_at(workspace)) if resolution is None else random_networks(resolution)
    chosen = pick(device)
    if dry_run:
        if as_json:
            print_json({"network": subject.name, "device": str(chosen), "seconds": seconds})
        else:
            say(f"Would profile {subject.name} on {chosen}, each phase for {seconds:g} s or twice.")
        return
    with progress("Profiling", PARTS, unit="parts") as advance:
        found = run(subject, chosen, seconds, advance)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


def _print(profile: "Profile") -> None:
    machine, peaks = profile.machine, profile.peaks
    rows = [
        ("device", machine.device),
        ("processor", f"{machine.cpu}, {machine.cores} cores, {machine.threads} torch threads"),
        ("memory", "unknown" if machine.memory is None else f"{machine.memory / 2**30:.1f} GiB"),
        ("torch", machine.torch),
        ("networks", profile.network),
        ("convolution, fp32", f"{peaks.conv_fp32 / 1e9:,.1f} GFLOP/s"),
        ("convolution, bf16", f"{peaks.conv_bf16 / 1e9:,.1f} GFLOP/s"),
        ("copy", f"{peaks.copy / 1e9:,.1f} GB/s"),
    ]
    table(("machine", ""), rows)
    print_text("")
    table(("of", "phase", "in a step", "ms", "% of step", "GFLOP", "GFLOP/s", "% of peak", "bound by"), [
        (
            row.of, row.phase, round(row.per_step, 3), round(row.seconds * 1e3, 1), round(row.share * 100, 1),
            round(row.flop / 1e9, 1), round(row.flop_per_second / 1e9, 1), round(row.of_peak * 100, 1), row.bound,
        )
        for row in profile.rows
    ])  # fmt: skip
    print_text("")
    table(("total", "value", "unit"), [(total.of, round(total.value, 2), total.unit) for total in profile.totals()])
