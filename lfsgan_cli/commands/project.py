"""`lfsgan project`: the latent whose image comes closest to a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import print_json, print_text, progress, say, warn
from lfsgan_cli.commands.generate import OutDir, Overwrite
from lfsgan_cli.commands.help import INPUT, TRAINING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Device,
    DryRun,
    Json,
    LayerStrengths,
    open_for_sampling,
    task_names,
    to_repeat,
)

if TYPE_CHECKING:
    from lfsgan_cli.generation.projection import Projection

Target = Annotated[Path, typer.Argument(metavar="IMAGE", help="Image to project. Its centre square is used.")]
OneTask = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task or blend to project into.  [default: the base]",
    ),
]  # fmt: skip
SpaceChoice = Annotated[
    Literal["w", "w+"],
    typer.Option(
        "--space", rich_help_panel=TRAINING, help="One w for all layers, or one for each (w+), which is closer."
    ),
]
Steps = Annotated[
    int, typer.Option("--steps", min=8, max=100_000, rich_help_panel=TRAINING, help="Steps of the optimization.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, rich_help_panel=TRAINING, help="Random seed.")]


def project(
    ctx: typer.Context,
    image: Target,
    task: OneTask = None,
    space: SpaceChoice = "w+",
    steps: Steps = 600,
    seed: Seed = 0,
    strength: LayerStrengths = "1",
    outdir: OutDir = Path("out/project"),
    overwrite: Overwrite = False,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Find the latent whose image comes closest to a picture.

    Writes the target, the projection, an image grid of the search, and latents.npz for generate and interpolate.
    """
    from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0
    from lfsgan_cli.evaluation.extractors.perceptual import embed
    from lfsgan_cli.generation.projection import EMBEDDING_SIZE, plan_projection
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength
    from lfsgan_cli.workspace.remote import local_copy

    where, share = pick(device), parse_strength(strength)
    place = open_for_sampling(local_copy(workspace, say, [] if task is None else [task]), needs_task=task is not None)
    job = plan_projection(place, image, task, space, steps, seed, share, where)
    job.check(outdir, overwrite=overwrite, dry_run=dry_run)
    if dry_run:
        say(f"Would project {image.name!r} into {job.title} in {steps:,} steps, into {str(outdir)!r}.")
        return
    network = EfficientNetLite0(EMBEDDING_SIZE).to(where)
    with progress("Projecting", steps, unit="steps") as advance:
        for found in job.run(lambda images: embed(network, images)):
            if isinstance(found, int):
                advance(min(found, 1))
            else:
                job.save(found, outdir)
                keep_config(ctx, outdir)
                _tell(found, outdir, job.title, workspace, device, as_json=as_json)


def _tell(found: "Projection", outdir: Path, title: str, workspace: Path, device: str, *, as_json: bool) -> None:
    from lfsgan_cli.generation.projection import LATENTS

    share = found.distance / found.between_samples
    if found.outside:
        warn(
            f"the target is outside what {title} can generate: the projection still differs from it by {share:.0%} of "
            "the distance between two random samples"
        )
    if as_json:
        print_json({
            "latents": str(outdir / LATENTS), "projection": str(outdir / "projection.png"),
            "distance": found.distance, "between_samples": found.between_samples, "outside": found.outside,
        })  # fmt: skip
        return
    say(f"Perceptual distance to the target: {found.distance:.4f}, {share:.0%} of that between random samples.")
    latents = str(outdir / LATENTS)
    say(f"Generate it: {to_repeat('generate', '--latents', latents, '--all', workspace=workspace, device=device)}")
    print_text(latents)
