"""What `learn-task` and `pretrain` have in common: options, and a session shown from its first step to its result."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import (
    losses_line,
    progress,
    say,
    warn,
)
from lfsgan_cli.commands.help import INPUT, OUTPUT, TRAINING
from lfsgan_cli.commands.options import Proposals
from lfsgan_cli.images.framing import CropPosition, Fit
from lfsgan_cli.options import LARGEST

if TYPE_CHECKING:
    from lfsgan_cli.runs.estimate import Estimate
    from lfsgan_cli.runs.session import Session
    from lfsgan_cli.training.loop import Step


Result = TypeVar("Result")

Seed = Annotated[int, typer.Option("--seed", min=0, max=LARGEST, rich_help_panel=TRAINING, help="Random seed.")]
FitChoice = Annotated[
    Fit,
    typer.Option(
        "--fit", rich_help_panel=INPUT, help="How images that are not square become square: cut, padded or stretched."
    ),
]
CropPositionChoice = Annotated[
    CropPosition, typer.Option("--crop-position", rich_help_panel=INPUT, help="The part that --fit crop keeps.")
]
Mirror = Annotated[
    bool,
    typer.Option(
        "--mirror/--no-mirror", rich_help_panel=TRAINING, help="Flip images at random; not for images with text."
    ),
]
SaveEvery = Annotated[
    float, typer.Option("--save-every", min=0, rich_help_panel=OUTPUT, help="Seconds between checkpoints.")
]
KeepCheckpoint = Annotated[
    bool,
    typer.Option(
        "--keep-checkpoint/--no-keep-checkpoint", rich_help_panel=OUTPUT,
        help="Keep the last checkpoint of a finished run, so that --resume can lengthen it.",
    ),
]  # fmt: skip

LOSSES_EVERY = 10  # steps


def resume_option(longer: str) -> Any:
    """`--resume`; a larger value of the option `longer` lengthens the run."""
    return typer.Option("--resume", rich_help_panel=OUTPUT, help=f"Resume the run; {longer} may rise.")


def overwrite_option(what: str) -> Any:
    """`--overwrite`, which replaces `what`."""
    return typer.Option("--overwrite", rich_help_panel=OUTPUT, help=f"Replace {what}.")


def check_resume(*, resume: bool, overwrite: bool) -> None:
    """A usage error where both are passed."""
    if resume and overwrite:
        raise typer.BadParameter("pass either --resume or --overwrite", param_hint="--resume")


@dataclass(frozen=True)
class Shown:
    """How a session is shown. images: of one step, where progress counts images instead of steps."""

    title: str
    resume_command: str
    save_every: float
    keep_checkpoint: bool
    images: int | None = None


def train(ctx: typer.Context, session: "Session[Result]", shown: Shown) -> Result:
    """Train to the end and write the result; the summary of its file. Once it has begun, its options are kept."""
    from lfsgan_cli.runs.session import result_of

    for path in session.damaged:
        warn(f"the checkpoint {str(path)!r} is damaged; resuming from the one before it")
    if moved := session.moved:
        warn(f"the checkpoint was made on {moved}; on another model, the result may differ from an uninterrupted run's")
    if session.resumed:
        say(f"Resuming after step {session.done:,} of {session.total:,}.")
    run = session.complete(
        save_every=shown.save_every, resume_command=shown.resume_command, keep_checkpoint=shown.keep_checkpoint
    )
    unit, each = ("images", shown.images) if shown.images else ("steps", 1)
    seen: Path | None = None
    kept = False
    with progress(shown.title, session.total * each, done=session.done * each, unit=unit) as advance:

        def show(step: "Step") -> None:
            nonlocal seen, kept
            if not kept:
                kept = True
                keep_config(ctx, session.folder.path, resumed=session.resumed)
            advance(each, losses_line(step.losses) if step.done % LOSSES_EVERY == 0 else None)
            if session.newest_grid != seen:
                seen = session.newest_grid
                say(f"Preview: {seen}")

        return result_of(run, show)


def tell_estimate(estimate: "Estimate", changes: list[str]) -> None:
    """The plan of `--dry-run`: what differs from the defaults, and what the run will need on this machine."""
    say(f"Changed settings: {' '.join(changes) or 'none'}")
    say(f"Device: {estimate.device}")
    say(f"Expected time: {duration(estimate.seconds)}, by timing this machine; it may be half or twice that")
    free = "" if estimate.free is None else f" of {estimate.free / 1e9:.1f} GB free"
    say(f"Expected memory: {estimate.memory / 1e9:.1f} GB{free}")
    say(f"Expected disk space: {max(1, round(estimate.disk / 1e6)):,} MB")


def duration(seconds: float) -> str:
    """Minutes, or hours."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def recipe_names(incomplete: str) -> Proposals:
    """The recipes."""
    from typing import get_args

    from lfsgan_cli.training.recipes import Name

    return sorted(name for name in get_args(Name) if name.startswith(incomplete))
