"""`lfsgan style-mix`: a matrix of images that take some layers from one seed and the rest from another."""

from pathlib import Path
from typing import Annotated

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import print_json, print_text, progress, say
from lfsgan_cli.commands.generate import Batch, OutDir, Overwrite, PrecisionChoice, tasks_of
from lfsgan_cli.commands.help import INPUT, SAMPLING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Device,
    DryRun,
    Json,
    LayerStrengths,
    NoiseChoice,
    Truncation,
    open_for_sampling,
    task_names,
)

OneTask = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task or blend; base is the base.  [default: the only task, if there is one]",
    ),
]  # fmt: skip
Rows = Annotated[str, typer.Option("--rows", metavar="0-3", rich_help_panel=SAMPLING, help="Seeds of the rows.")]
Columns = Annotated[str, typer.Option("--cols", metavar="8-11", rich_help_panel=SAMPLING, help="Seeds of the columns.")]
Layers = Annotated[
    str,
    typer.Option(
        "--layers", metavar="NAME", rich_help_panel=SAMPLING,
        help="Layers taken from the columns: coarse, middle, fine, or sides in pixels such as 4-16.",
    ),
]  # fmt: skip


def style_mix(
    ctx: typer.Context,
    rows: Rows,
    columns: Columns,
    layers: Layers = "coarse",
    task: OneTask = None,
    truncation: Truncation = 1.0,
    strength: LayerStrengths = "1",
    noise: NoiseChoice = "seed",
    outdir: OutDir = Path("out/style-mix"),
    overwrite: Overwrite = False,
    batch: Batch = None,
    precision: PrecisionChoice = "auto",
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Mix the styles of two sets of seeds.

    Writes a matrix: each image takes some layers from its column's seed, and the rest and the noise from its row's.
    """
    from lfsgan_cli.generation.mixing import MixingJob
    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.options import parse_seeds
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength
    from lfsgan_cli.workspace.remote import local_copy, only_task

    options = SamplingOptions(truncation, noise, parse_strength(strength))
    row_seeds, column_seeds = parse_seeds(rows), parse_seeds(columns)
    named = only_task(workspace, say, [] if task is None else [task])
    place = open_for_sampling(local_copy(workspace, say, named), needs_task=task != "base")
    (chosen,) = named or tasks_of(place, [])
    where = pick(device)
    name = None if chosen == "base" else chosen
    job = MixingJob(place, name, row_seeds, column_seeds, layers, options, outdir)
    compute = job.compute(where, batch, "bf16" if precision == "bf16" else "fp32")
    job.check(compute, overwrite=overwrite, dry_run=dry_run)
    if not dry_run:
        with progress("Generating", len(job.paths()) + 1, unit="images") as advance:
            for _ in job.run(compute):
                advance()
        keep_config(ctx, outdir)
    if as_json:
        print_json({"pictures": [str(path) for path in job.paths()], "grid": str(job.grid)})
    elif dry_run:
        say(f"Would generate {len(job.paths()):,} images into {str(outdir)!r}.")
    else:
        print_text(str(job.grid))
