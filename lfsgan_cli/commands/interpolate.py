"""`lfsgan interpolate`: animations that walk through latents, or from task to task."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import print_json, print_text, progress, say
from lfsgan_cli.commands.generate import Batch, LatentsFile, tasks_of
from lfsgan_cli.commands.help import INPUT, OUTPUT, SAMPLING
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lfsgan_cli.generation.output import Pixels
    from lfsgan_cli.generation.sampling import Latents

WalkTasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task or blend; base is the base. Several make a walk from task to task at the same seeds.",
    ),
]  # fmt: skip
Seeds = Annotated[
    str | None, typer.Option("--seeds", metavar="0-7", rich_help_panel=SAMPLING, help="Keyframes.  [default: 0-7]")
]
Frames = Annotated[
    int,
    typer.Option(
        "--frames", min=1, max=10_000, rich_help_panel=SAMPLING, help="Frames from each keyframe to the next."
    ),
]
SpaceChoice = Annotated[
    Literal["z", "w"],
    typer.Option("--space", rich_help_panel=SAMPLING, help="Straight lines in w, or slerp along the sphere of z."),
]
EasingChoice = Annotated[
    Literal["linear", "smooth"],
    typer.Option("--easing", rich_help_panel=SAMPLING, help="Constant speed, or slower near keyframes."),
]
Grid = Annotated[
    str | None,
    typer.Option(
        "--grid", metavar="3x2", rich_help_panel=OUTPUT, help="Columns and rows of images that walk at the same time."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="FILE|DIR", rich_help_panel=OUTPUT,
        help="A .webp, .gif, .png or .mp4 file (needs the extra [video]), or a folder for frames.",
    ),
]  # fmt: skip
FramesPerSecond = Annotated[
    int, typer.Option("--fps", min=1, max=50, rich_help_panel=OUTPUT, help="Frames per second.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace the file, or images of other settings.")
]


def interpolate(
    ctx: typer.Context,
    task: WalkTasks = None,
    seeds: Seeds = None,
    latents: LatentsFile = None,
    frames: Frames = 24,
    space: SpaceChoice = "w",
    easing: EasingChoice = "linear",
    truncation: Truncation = 1.0,
    strength: LayerStrengths = "1",
    noise: NoiseChoice = "const",
    grid: Grid = None,
    out: Out = Path("walk.webp"),
    fps: FramesPerSecond = 24,
    overwrite: Overwrite = False,
    batch: Batch = None,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make an animation that walks from image to image.

    It walks through the seeds, or with several tasks from task to task at the same seeds. It is a closed loop.
    """
    from lfsgan_cli.generation.animation import check_animation, write_animation
    from lfsgan_cli.generation.interpolation import Walk
    from lfsgan_cli.generation.sampling import SamplingOptions, read_latents, usual_batch
    from lfsgan_cli.options import parse_seeds
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength
    from lfsgan_cli.workspace.remote import local_copy, only_task

    if latents is not None and seeds is not None:
        raise typer.BadParameter("pass either --latents or --seeds", param_hint="--latents")
    options = SamplingOptions(truncation, noise, parse_strength(strength))
    task = only_task(workspace, say, task or [])
    place = open_for_sampling(local_copy(workspace, say, task), needs_task=not task or set(task) != {"base"})
    names = task or tasks_of(place, [])
    where, config = pick(device), place.base.average.config
    items: list[int] | Latents = parse_seeds(seeds or "0-7") if latents is None else read_latents(latents, config)
    columns, rows = _grid(grid, len(items) if len(names) > 1 else 1)
    tasks = [None if name == "base" else place.blend(name).title for name in names]
    walk = Walk(place, tasks, items, options, frames, space, easing, columns, rows)
    check_animation(out, walk.note(), overwrite=overwrite, dry_run=dry_run)
    if not dry_run:
        with progress("Generating", len(walk), unit="frames") as advance:

            def counted() -> "Iterator[Pixels]":
                for frame in walk.images(where, batch or usual_batch(config, where)):
                    yield frame
                    advance()

            write_animation(out, counted(), len(walk), fps, walk.note())
        if not out.suffix:
            keep_config(ctx, out)
    if as_json:
        print_json({"file": str(out), "frames": len(walk), "fps": fps})
    elif dry_run:
        say(f"Would generate {len(walk):,} frames, {len(walk) / fps:.1f} s, into {str(out)!r}.")
    else:
        print_text(str(out))


def _grid(text: str | None, images: int) -> tuple[int, int]:
    """Columns and rows: those given, or what suits so many images."""
    from lfsgan_cli.generation.interpolation import usual_grid

    if text is None:
        return usual_grid(images)
    match = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text)
    if match is None:
        raise typer.BadParameter(f"{text!r}: expected columns and rows such as 3x2", param_hint="--grid")
    return int(match[1]), int(match[2])
