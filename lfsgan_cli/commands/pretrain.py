"""`lfsgan pretrain`: the base that all tasks of a workspace share."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.console import print_json, progress, say
from lfsgan_cli.commands.help import INPUT, OUTPUT, TRAINING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    Device,
    DryRun,
    Json,
    PrecisionChoice,
    WorkspaceDir,
    base_files,
    check_images,
    given_options,
    tell_memory,
    to_repeat,
)
from lfsgan_cli.commands.training import (
    CropPositionChoice,
    FitChoice,
    KeepCheckpoint,
    Mirror,
    SaveEvery,
    Seed,
    Shown,
    TensorboardDir,
    check_resume,
    overwrite_option,
    resume_option,
    tell_estimate,
    train,
)
from lfsgan_cli.options import MOST
from lfsgan_cli.training.config import NETWORK_DEFAULTS, PretrainConfig

if TYPE_CHECKING:
    from lfsgan_cli.images.summary import ImageSummary
    from lfsgan_cli.runs.estimate import Estimate
    from lfsgan_cli.runs.pretrain import PretrainRun
    from lfsgan_cli.workspace.base_file import BaseSummary

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR|ZIP", rich_help_panel=INPUT, help="Training images; thousands are usual.")
]
Resolution = Annotated[
    int,
    typer.Option("--resolution", rich_help_panel=TRAINING, help="Image size in pixels: a power of two, 16 to 1024."),
]
Channels = Annotated[
    int,
    typer.Option(
        "--channels", min=16, max=MOST, rich_help_panel=TRAINING,
        help="Channels at 4×4 to 16×16; halved at each larger size, down to 16.",
    ),
]  # fmt: skip
Latent = Annotated[
    int, typer.Option("--latent", min=1, max=MOST, rich_help_panel=TRAINING, help="Dimension of z and w.")
]
Mapping = Annotated[
    int,
    typer.Option("--mapping-layers", min=1, max=MOST, rich_help_panel=TRAINING, help="Layers of the mapping network."),
]
Kimg = Annotated[
    float, typer.Option("--kimg", min=0, rich_help_panel=TRAINING, help="Training length in thousands of images.")
]
Batch = Annotated[int, typer.Option("--batch", min=1, max=MOST, rich_help_panel=TRAINING, help="Batch size.")]
Rate = Annotated[float, typer.Option("--lr", rich_help_panel=TRAINING, help="Learning rate of both networks.")]
R1 = Annotated[
    float, typer.Option("--r1-gamma", min=0, rich_help_panel=TRAINING, help="Weight of R1 regularization; 0 is off.")
]
PathWeight = Annotated[
    float,
    typer.Option(
        "--path-weight", min=0, rich_help_panel=TRAINING, help="Weight of path length regularization; 0 is off."
    ),
]
Augment = Annotated[
    Literal["none", "ada"],
    typer.Option(
        "--augment", rich_help_panel=TRAINING,
        help="Augment what the discriminator sees, the more it overfits (ada); for 500 to 5,000 images.",
    ),
]  # fmt: skip
FeatureWeight = Annotated[
    float,
    typer.Option(
        "--feature-weight", min=0, rich_help_panel=TRAINING,
        help="Weight of the discriminator on frozen features; 0 is plain StyleGAN2.",
    ),
]  # fmt: skip
ReconstructionKimg = Annotated[
    float,
    typer.Option(
        "--reconstruction-kimg", min=0, rich_help_panel=TRAINING,
        help="Thousands of images in which the generator first learns to reconstruct the training images; 0 is off.",
    ),
]  # fmt: skip
ReconstructionWeight = Annotated[
    float,
    typer.Option(
        "--reconstruction-weight", min=0, rich_help_panel=TRAINING,
        help="Weight of the reconstruction afterwards, where --reconstruction-kimg is on.",
    ),
]  # fmt: skip
Decay = Annotated[
    float,
    typer.Option(
        "--decay", min=0, max=1, rich_help_panel=TRAINING,
        help="Last share of the run, in which the learning rates fall to zero.",
    ),
]  # fmt: skip
InitFrom = Annotated[
    Path | None,
    typer.Option(
        "--init-from", metavar="BASE", rich_help_panel=TRAINING, autocompletion=base_files,
        help="Base file whose weights to start from.",
    ),
]  # fmt: skip
Resume = Annotated[bool, resume_option("--kimg")]
Overwrite = Annotated[bool, overwrite_option("the base, if no task was learned on it")]
Skip = Annotated[
    list[str] | None,
    typer.Option(
        "--skip", metavar="FILE", rich_help_panel=INPUT,
        help="With --resume: an image that is damaged or gone since the run began. Another one stands in.",
    ),
]  # fmt: skip
BaseName = Annotated[
    str, typer.Option("--name", rich_help_panel=OUTPUT, help="Name of the base.  [default: the name of --data]")
]


def pretrain(
    ctx: typer.Context,
    data: Data,
    fit: FitChoice = "crop",
    crop_position: CropPositionChoice = "center",
    skip: Skip = None,
    name: BaseName = "",
    resolution: Resolution = NETWORK_DEFAULTS["resolution"],
    channels: Channels = NETWORK_DEFAULTS["channels"],
    latent: Latent = NETWORK_DEFAULTS["latent"],
    mapping_layers: Mapping = NETWORK_DEFAULTS["mapping_layers"],
    kimg: Kimg = PretrainConfig.kimg,
    batch: Batch = PretrainConfig.batch,
    lr: Rate = PretrainConfig.lr,
    seed: Seed = PretrainConfig.seed,
    mirror: Mirror = PretrainConfig.mirror,
    r1_gamma: R1 = PretrainConfig.r1_gamma,
    path_weight: PathWeight = PretrainConfig.path_weight,
    feature_weight: FeatureWeight = PretrainConfig.feature_weight,
    augment: Augment = PretrainConfig.augment,
    reconstruction_kimg: ReconstructionKimg = PretrainConfig.reconstruction_kimg,
    reconstruction_weight: ReconstructionWeight = PretrainConfig.reconstruction_weight,
    decay: Decay = PretrainConfig.decay,
    precision: PrecisionChoice = PretrainConfig.precision,
    init_from: InitFrom = None,
    save_every: SaveEvery = 120.0,
    keep_checkpoint: KeepCheckpoint = True,
    tensorboard: TensorboardDir = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a base from scratch on many images.

    Thousands of images and hours are usual; --init-from starts from another base and needs less of both;
    with a higher --resolution that base grows. Ctrl-C stops
    with a checkpoint; the same command with --resume continues. With more --kimg, --resume lengthens a finished run as
    well. In the last half of a long run, the best EMA generator is kept, by the Fréchet distance at 16×16 pixels.
    Started by torchrun, several processes or GPUs train it together.
    """
    from lfsgan_cli.networks.config import NetworkConfig
    from lfsgan_cli.runs import pretrain
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.distributed import joined
    from lfsgan_cli.training import memory
    from lfsgan_cli.training.autoencoder import embedding_work
    from lfsgan_cli.training.pretraining import memory_needed
    from lfsgan_cli.workspace.locks import hold_base
    from lfsgan_cli.workspace.workspace import workspace_at

    check_resume(resume=resume, overwrite=overwrite)
    if skip and not resume:
        raise typer.BadParameter("needs --resume; remove the file instead", param_hint="--skip")
    values = {
        "name": name, "resolution": resolution, "channels": channels, "latent": latent,
        "mapping_layers": mapping_layers, "kimg": kimg, "batch": batch, "lr": lr, "seed": seed, "mirror": mirror,
        "r1_gamma": r1_gamma, "path_weight": path_weight, "feature_weight": feature_weight, "augment": augment,
        "decay": decay,
        "reconstruction_kimg": reconstruction_kimg, "reconstruction_weight": reconstruction_weight,
        "precision": precision, "init_from": init_from, "fit": fit, "crop_position": crop_position,
    }  # fmt: skip
    place, where, given = workspace_at(workspace), pick(device), given_options(ctx, values)
    for key in pretrain.SHAPE if init_from and not resume else ():
        if key in given:
            hint = f"--{key.replace('_', '-')}"
            raise typer.BadParameter("the base to start from has its own; leave this out", param_hint=hint)
    ranks = ctx.with_resource(joined(where))
    if not dry_run and ranks.first:
        ctx.with_resource(hold_base(place.root))
    job = pretrain.open_run(place, data, given, device=where, resume=resume, overwrite=overwrite, skip=skip or ())
    if not isinstance(job, pretrain.PretrainRun):
        say("The base is trained already, nothing is left to do.")
        _tell_base(place.base_path, job, {}, as_json=as_json)
        return
    ranks.of_batch(job.plan.training.batch)
    summary = check_images(job.pictures, least=2, can_fit=True) if ranks.first else None
    ranks.wait()
    if dry_run:
        _tell_plan(job, summary, job.estimate(where, ranks), as_json=as_json)
        return
    training = job.plan.training
    config = NetworkConfig.from_json(job.plan.network)
    tell_memory(memory_needed(config, training, len(job.pictures), ranks), memory.free(where), "--batch")
    work = embedding_work(training, len(job.pictures)) if ranks.first else 0
    with progress("Embedding images", work, unit="images") if work else nullcontext(lambda _images: None) as advance:
        trainer = pretrain.Pretrainer(job, where, ranks, advance)
    again = to_repeat("pretrain", "--data", str(data), "--resume", workspace=workspace, device=device, shared=True)

    trained = train(
        ctx,
        trainer,
        Shown("Pretraining", again, save_every, keep_checkpoint, tensorboard, job.plan.name, training.batch),
    )
    if trainer.choice:
        _tell_choice(trainer.choice)
    _tell_base(place.base_path, trained, summary.to_json() if summary else {}, as_json=as_json)


def _tell_plan(job: "PretrainRun", summary: "ImageSummary | None", estimate: "Estimate", *, as_json: bool) -> None:
    """What differs from the defaults, and what the run will need."""
    if as_json:
        images = summary.to_json() if summary else {}
        print_json({"plan": job.plan.to_json(), **images, "estimate": estimate.to_json()})
        return
    say(f"Would pretrain the base {job.plan.name!r} on {job.plan.pictures:,} images.")
    tell_estimate(estimate, job.changes())


def _tell_choice(choice: dict[str, Any]) -> None:
    said = f"after {choice['kimg']:,g} kimg ({choice['metric']}: {choice['distance']:.3g}"
    if choice["distance"] < choice["last_distance"]:
        say(f"The base is the best EMA generator of the run, {said}; the last one has {choice['last_distance']:.3g}).")
    else:
        say(f"The base is the last EMA generator of the run, {said}, the best of the run).")


def _tell_base(path: Path, base: "BaseSummary", images: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        found = {"base": base.name, "file": str(path), "identity": base.identity, "parameters": base.parameters}
        print_json({**found, **images})
    else:
        say(f"Base {base.name!r} is in {path}: {base.parameters:,} parameters, {base.identity[:12]}….")
