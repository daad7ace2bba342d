"""`lfsgan project`: the latent whose image comes closest to a picture."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, progress, say, warn
from lfsgan_cli.commands.generate import OutDir, Overwrite, open_for_sampling
from lfsgan_cli.commands.help import INPUT, TRAINING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    Device,
    DryRun,
    Json,
    LayerStrengths,
    WorkspaceDir,
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

LATENTS = "latents.npz"


def project(
    image: Target,
    task: OneTask = None,
    space: SpaceChoice = "w+",
    steps: Steps = 300,
    seed: Seed = 0,
    strength: LayerStrengths = "1",
    outdir: OutDir = Path("out/project"),
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Find the latent whose image comes closest to a picture.

    Writes the target, the projection, an image grid of the search, and latents.npz for generate and interpolate.
    """
    from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0
    from lfsgan_cli.evaluation.extractors.perceptual import embed
    from lfsgan_cli.generation.output import ForeignFileError, check_folder, check_ours, make_room, to_tensor
    from lfsgan_cli.generation.projection import EMBEDDING_SIZE, Projector
    from lfsgan_cli.generation.sampling import SamplingOptions, generator_of
    from lfsgan_cli.images.dataset import ImageDataset
    from lfsgan_cli.images.source import open_source
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.blend import parse_strength

    where, options = pick(device), SamplingOptions(1.0, "const", parse_strength(strength))
    place = open_for_sampling(workspace, needs_task=task is not None)
    base = place.base.average
    generator = generator_of(place, task, options, where) if task else base.to(where)
    target = to_tensor(ImageDataset(open_source(image), base.config.resolution)[0])
    title = place.blend(task).title if task else "base"
    note: dict[str, Any] = {
        "projection": space,
        "task": title,
        "base": place.base.identity,
        "steps": steps,
        "seed": seed,
    }
    note["target_sha256"] = sha256(target.numpy().tobytes()).hexdigest()
    paths = [outdir / name for name in ("target.png", "projection.png", "steps.png")]
    check_folder(outdir)
    check_ours(paths)
    if (outdir / LATENTS).exists() and not paths[1].exists():  # no sign that a projection wrote it
        raise ForeignFileError([outdir / LATENTS])
    make_room({outdir: note}, overwrite=overwrite, dry_run=dry_run)
    if dry_run:
        say(f"Would project {image.name!r} into {title} in {steps:,} steps, into {str(outdir)!r}.")
        return
    network = EfficientNetLite0(EMBEDDING_SIZE).to(where)
    projector = Projector(generator, lambda images: embed(network, images), space, steps, seed)
    with progress("Projecting", steps, unit="steps") as advance:
        for found in projector.run(target):
            if isinstance(found, int):
                advance(min(found, 1))
            else:
                _save(outdir, found, note)
                _tell(found, outdir, title, workspace, device, as_json=as_json)


def _save(outdir: Path, found: "Projection", note: dict[str, Any]) -> None:
    from lfsgan_cli.generation.latents import write_latents
    from lfsgan_cli.generation.output import labelled, save, to_arrays, wrapped

    (target,), (image,) = to_arrays(found.target), to_arrays(found.image)
    save(outdir / "target.png", target, note)
    save(outdir / "projection.png", image, note)
    images = [to_arrays(picture)[0] for _, picture in found.history]
    blocks = wrapped([*images, target], [*(f"step {step}" for step, _ in found.history), "target"])
    save(outdir / "steps.png", labelled(blocks, f"{note['task']}, {note['projection']}"), note)
    write_latents(outdir / LATENTS, found.w, found.noise)


def _tell(found: "Projection", outdir: Path, title: str, workspace: Path, device: str, *, as_json: bool) -> None:
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
