"""`lfsgan generate`: images of learned tasks and blends, and the options that all generating commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import print_json, print_text, progress, say, warn
from lfsgan_cli.commands.help import INPUT, MACHINE, OUTPUT, SAMPLING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Device,
    DryRun,
    Jobs,
    Json,
    LayerStrengths,
    NoiseChoice,
    Truncation,
    open_for_sampling,
    refuse_jobs,
    task_names,
)
from lfsgan_cli.errors import shortened
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import Choice
from lfsgan_cli.workspace.paths import is_remote

if TYPE_CHECKING:
    from lfsgan_cli.generation.generate import Axes, Compute, GenerateJob, Variant
    from lfsgan_cli.generation.sampling import Latents, SamplingOptions
    from lfsgan_cli.system.distributed import Ranks
    from lfsgan_cli.workspace.workspace import Workspace

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TASK]...", autocompletion=task_names, show_default=False,
        help="Tasks or blends.  [default: the only task, if there is one]",
    ),
]  # fmt: skip
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task to sample from, or a blend such as sketch=0.6,babies=0.4; may be repeated.",
    ),
]  # fmt: skip
AllTasks = Annotated[bool, typer.Option("--all", help="Every task of the workspace.", rich_help_panel=INPUT)]
WithBase = Annotated[
    bool, typer.Option("--with-base", rich_help_panel=INPUT, help="Also sample from the base, with the same seeds.")
]
Count = Annotated[
    int | None,
    typer.Option(
        "-n", min=1, max=MOST, rich_help_panel=SAMPLING, help="Number of images, from seed 0 on.  [default: 16]"
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="0-63,70", rich_help_panel=SAMPLING, help="Seeds to use instead of -n."),
]
LatentsFile = Annotated[
    Path | None,
    typer.Option(
        "--latents", metavar="FILE.npz", help="Latents from `lfsgan project`, instead of seeds.", rich_help_panel=INPUT
    ),
]  # fmt: skip
GridAxes = Annotated[
    list[str] | None,
    typer.Option(
        "--grid", metavar="NAME=VALUES",
        help="X/Y grid, given once or twice: strength=0:1:0.25, truncation=0.5,1, noise=seed,none, task=all.",
        rich_help_panel=SAMPLING,
    ),
]  # fmt: skip
Background = Annotated[
    Literal["keep", "transparent"],
    typer.Option(
        "--background", help="Keep the background, or cut a plain one out by colour (an approximation).",
        rich_help_panel=OUTPUT,
    ),
]  # fmt: skip
Size = Annotated[
    int | None,
    typer.Option(
        "--size", min=16, max=4096, help="Side in pixels, resampled by Lanczos. Adds no detail.", rich_help_panel=OUTPUT
    ),
]
OutDir = Annotated[Path, typer.Option("--outdir", metavar="DIR", help="Output folder.", rich_help_panel=OUTPUT)]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Remove images of other settings that lfsgan wrote there.", rich_help_panel=OUTPUT
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, max=MOST, rich_help_panel=MACHINE,
        help="Images in a batch. It changes the speed only.  [default: what suits the device]",
    ),
]  # fmt: skip
PrecisionChoice = Annotated[
    Choice,
    typer.Option(
        "--precision",
        rich_help_panel=MACHINE,
        help="Precision. auto is fp32; bf16 is faster and shifts colours a little.",
    ),
]
CompileChoice = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        "--compile", rich_help_panel=MACHINE,
        help="Compile the generator first, which takes half a minute. auto compiles for very many images.",
    ),
]  # fmt: skip

DEFAULT_COUNT = 16


def generate(
    ctx: typer.Context,
    tasks: Names = None,
    task: Tasks = None,
    all_tasks: AllTasks = False,
    with_base: WithBase = False,
    count: Count = None,
    seeds: Seeds = None,
    latents: LatentsFile = None,
    truncation: Truncation = 1.0,
    strength: LayerStrengths = "1",
    noise: NoiseChoice = "seed",
    grid: GridAxes = None,
    background: Background = "keep",
    size: Size = None,
    outdir: OutDir = Path("out"),
    overwrite: Overwrite = False,
    batch: Batch = None,
    precision: PrecisionChoice = "auto",
    compile_: CompileChoice = "auto",
    jobs: Jobs = 1,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Generate images of learned tasks, one for each seed.

    Writes a PNG for each task and seed, and a labelled grid. A seed always gives the same image. Started by torchrun,
    several processes or GPUs share the images.
    """
    refuse_jobs(jobs)
    wanted = parse_seeds(count, seeds, latents)
    given = [*(tasks or []), *(task or [])]
    from lfsgan_cli.generation.generate import GenerateJob
    from lfsgan_cli.generation.postprocess import Postprocess
    from lfsgan_cli.generation.sampling import SamplingOptions, read_latents
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.distributed import joined
    from lfsgan_cli.workspace.blend import parse_strength

    options = SamplingOptions(truncation, noise, parse_strength(strength))
    of_tasks = [axis.partition("=")[2] for axis in grid or [] if axis.startswith("task=")]
    workspace, given = _found(workspace, given, of_tasks, all_tasks=all_tasks, with_base=with_base)
    needs_task = bool(given or all_tasks or not with_base or grid)
    place, where = open_for_sampling(workspace, needs_task=needs_task), pick(device)
    chosen: list[str | None] = [None] if with_base else []
    if not of_tasks:
        chosen += tasks_of(place, given, all_tasks=all_tasks, with_base=with_base)
    if options.strength != 1 and not any(chosen) and not grid:
        raise typer.BadParameter("scales what a task changes; name a task with --task", param_hint="--strength")
    items: list[int] | Latents = wanted
    if latents is not None:
        items = read_latents(latents, place.base.average.config)
    variants, axes = _variants(place, chosen, options, grid)
    job = GenerateJob(place, variants, items, outdir, Postprocess(background, size), axes)
    compute = job.compute(where, batch, "bf16" if precision == "bf16" else "fp32", compile_)
    ranks = ctx.with_resource(joined(where))
    compute = compute.agreed(ranks)
    if ranks.first:
        job.check(compute, overwrite=overwrite, dry_run=dry_run)
    ranks.wait()
    if not dry_run:
        _run(ctx, job, compute, jobs, ranks)
    if as_json:
        print_json({"pictures": [str(path) for path in job.paths()], "grid": str(job.grid)})
    elif dry_run:
        say(f"Would generate {len(job.paths()):,} images into {str(outdir)!r}.")
    else:
        print_text(str(job.grid))


def _found(
    workspace: Path, given: list[str], of_tasks: list[str], *, all_tasks: bool, with_base: bool
) -> tuple[Path, list[str]]:
    """The workspace's folder, and the tasks that are named; what is remote is fetched. of_tasks: values of an axis."""
    from lfsgan_cli.workspace.remote import local_copy, only_task

    if len(given) == 1 and is_remote(given[0]):  # the address of a workspace that has one task
        workspace, given = Path(given[0]), []
    if not (all_tasks or of_tasks or with_base):
        given = only_task(workspace, say, given)
    return local_copy(workspace, say, [*given, *of_tasks], every=all_tasks or "all" in of_tasks), given


def tasks_of(place: "Workspace", given: list[str], *, all_tasks: bool = False, with_base: bool = False) -> list[str]:
    """The tasks and blends that a command is about, each once: those named, all, or the only one there is."""
    from lfsgan_cli.workspace.paths import task_names

    if given and all_tasks:
        raise typer.BadParameter("pass either tasks or --all", param_hint="--all")
    if given or (with_base and not all_tasks):
        return list(dict.fromkeys(given))
    known = task_names(place.root)
    if not known:
        raise typer.BadParameter(
            "no task has been learned here; `lfsgan learn-task` learns one, --with-base samples the base",
            param_hint="--task",
        )
    if len(known) > 1 and not all_tasks:
        raise typer.BadParameter(
            f"several tasks have been learned: {shortened(known)}; name some, or pass --all", param_hint="--task"
        )
    if not all_tasks:
        say(f"Task: {known[0]}, the only one here.")
    return known


def parse_seeds(count: int | None, seeds: str | None, latents: Path | None = None) -> list[int]:
    """The seeds of `-n` or `--seeds`; `--latents` takes neither."""
    from lfsgan_cli.options import parse_seeds as parse

    if latents is not None and not (count is None and seeds is None):
        raise typer.BadParameter("pass either --latents, or -n or --seeds", param_hint="--latents")
    if seeds is None:
        return list(range(DEFAULT_COUNT if count is None else count))
    if count is not None:
        raise typer.BadParameter("pass either -n or --seeds", param_hint="-n")
    return parse(seeds)


def _variants(
    place: "Workspace", chosen: list[str | None], options: "SamplingOptions", grid: list[str] | None
) -> "tuple[list[Variant], Axes | None]":
    from lfsgan_cli.generation.generate import arrange, parse_axis, variant

    if not grid:
        return [variant(place, task, options, Path()) for task in chosen], None
    if len(chosen) > 1 or None in chosen:
        raise typer.BadParameter("takes one task; compare tasks with --grid task=NAME,NAME", param_hint="--grid")
    axes = [parse_axis(text, place) for text in grid]
    return arrange(axes, chosen[0] if chosen else None, options, place)


def _run(ctx: typer.Context, job: "GenerateJob", compute: "Compute", jobs: int, ranks: "Ranks") -> None:
    unit = "images" if ranks.count == 1 else f"images of the first of {ranks.count} processes"
    with progress("Generating", len(job.paths()) // ranks.count + 1, unit=unit) as advance:
        for _ in job.run(compute, jobs, ranks):
            advance()
    if ranks.first:
        keep_config(ctx, job.outdir)
    if job.not_plain:
        warn(f"{job.not_plain:,} images have no background of one colour; what was cut out there may be wrong")
