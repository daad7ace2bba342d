"""`lfsgan learn-task`: learn a task from a few images."""

from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lfsgan_cli.commands.console import print_json, progress, say, warn
from lfsgan_cli.commands.help import INPUT, OUTPUT, TRAINING
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    Device,
    DryRun,
    Json,
    PrecisionChoice,
    WorkspaceDir,
    adapter_names,
    given_options,
    task_names,
    tell_images,
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
    Threads,
    check_resume,
    duration,
    overwrite_option,
    recipe_names,
    resume_option,
    tell_estimate,
    train,
)
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import launched
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import DEFAULT

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.runs.learn_task import TaskRun
    from lfsgan_cli.workspace.task_file import TaskSummary

Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--images", metavar="DIR|ZIP|FILE", rich_help_panel=INPUT,
        help="Training images: two or more, usually about ten. May be repeated.",
    ),
]  # fmt: skip
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", rich_help_panel=OUTPUT, autocompletion=task_names, help="Task name.")
]
AdapterName = Annotated[
    str,
    typer.Option(
        "--adapter", metavar="NAME", rich_help_panel=TRAINING, autocompletion=adapter_names,
        help="Adapter to train; see `lfsgan adapters`.",
    ),
]  # fmt: skip
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "-o", metavar="KEY=VALUE", rich_help_panel=TRAINING,
        help="Adapter option; may be repeated. See `lfsgan adapters NAME`.",
    ),
]  # fmt: skip
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", metavar="NAME", rich_help_panel=TRAINING, autocompletion=recipe_names,
        help="Training method; see `lfsgan recipes`. paper reproduces the public LFS-GAN code.",
    ),
]  # fmt: skip
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "-t", metavar="KEY=VALUE", rich_help_panel=TRAINING,
        help="Training setting; may be repeated. See `lfsgan recipes`.",
    ),
]  # fmt: skip
InitFrom = Annotated[
    str | None,
    typer.Option(
        "--init-from", metavar="TASK", rich_help_panel=TRAINING, autocompletion=task_names,
        help="Start from the weights of this task.  [default: the base]",
    ),
]  # fmt: skip
Steps = Annotated[
    int,
    typer.Option(
        "--steps", min=1, max=MOST, rich_help_panel=TRAINING, help="Training steps; the paper recipe has 3002."
    ),
]
Batch = Annotated[int, typer.Option("--batch", min=1, max=MOST, rich_help_panel=TRAINING, help="Batch size.")]
Rate = Annotated[
    float | None,
    typer.Option("--lr", rich_help_panel=TRAINING, help="Learning rate.  [default: the adapter's]"),
]
SnapshotEvery = Annotated[
    int | None,
    typer.Option(
        "--snapshot-every", min=1, max=MOST, rich_help_panel=OUTPUT,
        help="Steps between snapshots; see `lfsgan tasks snapshots`.  [default: a quarter of the run]",
    ),
]  # fmt: skip
Snapshots = Annotated[
    int, typer.Option("--snapshots", min=0, max=MOST, rich_help_panel=OUTPUT, help="Number of last snapshots to keep.")
]
Preview = Annotated[
    Path | None,
    typer.Option(
        "--preview", metavar="FILE", rich_help_panel=INPUT,
        help="With --dry-run: write a PNG of the images as training sees them.",
    ),
]  # fmt: skip
Resume = Annotated[bool, resume_option("--steps")]
Overwrite = Annotated[bool, overwrite_option("the task or run")]


class SharedTaskError(LfsganError):
    """Several processes for one task."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"torchrun started {count} processes, and one process learns a task: its losses compare the images of a "
            "batch with each other; start it without torchrun, or learn many tasks at once with `lfsgan learn-all`"
        )


def learn_task(
    ctx: typer.Context,
    name: Name,
    images: Images = None,
    fit: FitChoice = "crop",
    crop_position: CropPositionChoice = "center",
    adapter: AdapterName = "left",
    pairs: Pairs = None,
    recipe: RecipeName = DEFAULT,
    settings: Settings = None,
    init_from: InitFrom = None,
    steps: Steps = LearnConfig.steps,
    batch: Batch = LearnConfig.batch,
    lr: Rate = None,
    seed: Seed = LearnConfig.seed,
    mirror: Mirror = LearnConfig.mirror,
    precision: PrecisionChoice = LearnConfig.precision,
    threads: Threads = None,
    save_every: SaveEvery = 120.0,
    keep_checkpoint: KeepCheckpoint = True,
    tensorboard: TensorboardDir = None,
    snapshot_every: SnapshotEvery = None,
    snapshots: Snapshots = 4,
    resume: Resume = False,
    overwrite: Overwrite = False,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    preview: Preview = None,
    as_json: Json = False,
) -> None:
    """Learn a new domain from a few images.

    Trains an adapter on the frozen base and writes one file, tasks/NAME.safetensors. A workspace without a base
    starts with the embedded one. Ctrl-C stops with a checkpoint; the same command with --resume continues.
    With more --steps, --resume lengthens a finished run as well.
    """
    from lfsgan_cli.runs.learn_task import Learner, TaskRun, open_run
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.device import threads as computing_with
    from lfsgan_cli.training import memory
    from lfsgan_cli.training.anchors import anchor_work
    from lfsgan_cli.training.batches import MOST_REFERENCES
    from lfsgan_cli.workspace.locks import hold_tasks
    from lfsgan_cli.workspace.workspace import workspace_at

    if (launch := launched()) is not None:
        raise SharedTaskError(launch.count)
    check_resume(resume=resume, overwrite=overwrite)
    _refuse_contradictions(images, preview, resume=resume, dry_run=dry_run)
    place, where = workspace_at(workspace), pick(device)
    if not dry_run:
        ctx.with_resource(hold_tasks(place.root, name))
    values = {
        "recipe": recipe, "adapter": adapter, "init_from": init_from, "steps": steps, "batch": batch, "lr": lr,
        "seed": seed, "mirror": mirror, "precision": precision, "fit": fit, "crop_position": crop_position,
        "threads": threads,
    }  # fmt: skip
    job = open_run(
        place, name, images or None, given_options(ctx, values), pairs or [], settings or [],
        device=where, resume=resume, overwrite=overwrite,
    )  # fmt: skip
    if not isinstance(job, TaskRun):
        say(f"Task {name!r} is learned already, nothing is left to do.")
        _tell_task(place.root, name, job, device, {}, as_json=as_json)
        return
    ctx.with_resource(computing_with(job.plan.threads))
    if not dry_run:
        _tell_machine(job, where)
    if not job.resumed:
        _tell_images(job)
    if dry_run:
        _tell_plan(job, preview, where, as_json=as_json)
        return
    _tell_start(job)
    training = job.plan.training
    fewer = "--batch and -t mode_seeking.batch" if training.compares_samples else "--batch"
    needed = memory.of_learning(place.base.average.config, training, len(job.shots.pictures), where)
    tell_memory(needed, memory.free(where), fewer)
    work = anchor_work(training.anchors, min(len(job.shots.pictures), MOST_REFERENCES))
    with progress("Finding anchors", work, unit="samples") if work else nullcontext(lambda _amount: None) as advance:
        learner = Learner(job, where, snapshot_every=snapshot_every, snapshots=snapshots, advance=advance)
    command = to_repeat("learn-task", "--name", name, "--resume", workspace=place.root, device=device)

    learned = train(ctx, learner, Shown(f"Learning {name}", command, save_every, keep_checkpoint, tensorboard, name))
    say(f"Learned in {learner.seconds:.0f} s.")
    _tell_task(place.root, name, learned, device, job.shots.summary.to_json(), as_json=as_json)


def _refuse_contradictions(images: list[Path] | None, preview: Path | None, *, resume: bool, dry_run: bool) -> None:
    if preview is not None and not dry_run:
        raise typer.BadParameter("needs --dry-run", param_hint="--preview")
    if not images and not resume:
        raise typer.BadParameter("expected a folder or a zip file of images", param_hint="--images")


def _tell_plan(job: "TaskRun", preview: Path | None, device: "torch.device", *, as_json: bool) -> None:
    """What differs from the defaults, and what the run will need."""
    from lfsgan_cli.runs.estimate import of_task

    if preview is not None:
        _write_preview(job, preview)
    plan, estimate = job.plan, of_task(job, device)
    if as_json:
        document = {"plan": plan.to_json(), "shots": list(job.shots.names), **job.shots.summary.to_json()}
        print_json({**document, "estimate": estimate.to_json()})
        return
    say(f"Would learn task {plan.name!r} from {len(job.shots.names):,} images with the adapter {plan.adapter}.")
    tell_estimate(estimate, job.changes(device))


def _write_preview(job: "TaskRun", path: Path) -> None:
    from lfsgan_cli.generation.output import encode, grid, near_square
    from lfsgan_cli.images.formats import PREVIEW
    from lfsgan_cli.io.files import write_atomic

    write_atomic(path, encode(grid(near_square(list(job.shots.pictures))), {}, PREVIEW))
    say(f"The images as training sees them are in {path}.")


ENOUGH_FOR_A_BASE = 500  # training images from which on `pretrain --init-from` is the better tool


def _tell_machine(job: "TaskRun", device: "torch.device") -> None:
    import torch

    from lfsgan_cli.runs.estimate import of_learning

    training = job.plan.training
    left = training.steps - ((job.folder.checkpoint_step or 0) if job.resumed else 0)
    seconds = of_learning(job.workspace.base.average.config, training, device) * left / training.steps
    threads = torch.get_num_threads()
    where = f"cpu, {threads} thread{'s' * (threads != 1)}" if device.type == "cpu" else str(device)
    say(f"Device: {where}. {left:,} steps take about {duration(seconds)} when nothing else runs.")


def _tell_images(job: "TaskRun") -> None:
    tell_images(job.shots.summary, can_fit=True)
    if len(job.shots.pictures) > ENOUGH_FOR_A_BASE:
        say(f"{len(job.shots.pictures):,} images are enough to train a base on: see `lfsgan help pretrain`.")
    _warn_of_domain_gap(job)


def _tell_start(job: "TaskRun") -> None:
    from lfsgan_cli.training.batches import MOST_REFERENCES

    if not job.workspace.base_path.exists():
        say(f"No base in {str(job.workspace.root)!r} yet: the embedded one, {job.workspace.base.name}, is put there.")
    say(f"Perceptual distance: {job.plan.training.perceptual}.")
    if len(job.shots.pictures) > MOST_REFERENCES:
        say(
            f"Samples are compared with {MOST_REFERENCES} random ones of the {len(job.shots.pictures):,} training "
            "images (anchors, mode seeking, memorization, energy distance); the discriminator sees all."
        )
    if job.plan.init_from is not None and not job.resumed:
        say(f"Starting where task {job.plan.init_from!r} ended.")


def _warn_of_domain_gap(job: "TaskRun") -> None:
    import numpy as np

    from lfsgan_cli.training.perceptual import MOST_IMAGES, DomainGap

    base = job.workspace.base
    images = np.stack(list(islice(job.shots.pictures, MOST_IMAGES)))
    if warning := DomainGap(base.average).warning(images, base.name):
        warn(warning)


def _tell_task(
    root: Path, name: str, task: "TaskSummary", device: str, images: dict[str, Any], *, as_json: bool
) -> None:
    from lfsgan_cli.workspace.paths import task_path

    path = task_path(root, name)
    if as_json:
        print_json({
            "task": name, "file": str(path), "bytes": task.file_bytes, "parameters": task.parameters,
            "steps": task.info.training.get("steps"), **images,
        })  # fmt: skip
        return
    say(f"Task {name!r} is in {path}: {task.file_bytes:,} bytes, {task.parameters:,} parameters.")
    say("Next:")
    say(f"  {to_repeat('generate', name, '-n', '64', workspace=root, device=device)}")
    say(f"  {to_repeat('tasks', 'snapshots', name, workspace=root, device=device)}")
    say(f"  {to_repeat('evaluate', '--task', name, '--fid', workspace=root, device=device)}")
