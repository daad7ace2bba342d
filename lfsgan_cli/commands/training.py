"""What `learn-task` and `pretrain` have in common: options, and a session shown from its first step to its result.

On a terminal that is large enough and has colours, a session is a live view: progress, losses as sparklines, memory,
the next checkpoint, and samples of fixed seeds in half-block characters. Elsewhere it is a bar, or plain lines.
"""

import math
import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import (
    can_draw,
    clock,
    err,
    losses_line,
    messages_above,
    progress,
    say,
    warn,
)
from lfsgan_cli.commands.help import INPUT, MACHINE, OPTIONAL_DIR, OUTPUT, TRAINING
from lfsgan_cli.commands.options import AUTO, Proposals
from lfsgan_cli.errors import one_line
from lfsgan_cli.images.framing import CropPosition, Fit
from lfsgan_cli.options import LARGEST

if TYPE_CHECKING:
    from rich.text import Text

    from lfsgan_cli.generation.output import Pixels
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
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=1024, rich_help_panel=MACHINE,
        help="CPU threads. Another number ends in other bytes, so it is recorded.  [default: what torch finds]",
    ),
]  # fmt: skip
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

TensorboardDir = Annotated[
    str | None,
    typer.Option(
        "--tensorboard", metavar=OPTIONAL_DIR, rich_help_panel=OUTPUT,
        help="Also log for TensorBoard, below DIR; without DIR, in the run's folder.",
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
    """How a session is shown, and kept. images: of one step, where progress counts images instead of steps.

    tensorboard: the value of `--tensorboard`. name: of the log below that folder.
    """

    title: str
    resume_command: str
    save_every: float
    keep_checkpoint: bool
    tensorboard: str | None
    name: str
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
    if shown.tensorboard is not None and session.ranks.first:
        from lfsgan_cli.runs.session import TENSORBOARD, Tensorboard

        named = Path(shown.tensorboard).expanduser() / shown.name
        session.tensorboard = Tensorboard(session.folder.path / TENSORBOARD if shown.tensorboard == AUTO else named)
        say(f"Losses and image grids: tensorboard --logdir {shlex.quote(str(session.tensorboard.folder))}")
    session.tell = say
    run = session.complete(
        save_every=shown.save_every, resume_command=shown.resume_command, keep_checkpoint=shown.keep_checkpoint
    )
    seen: Path | None = None
    kept = False
    drawn = can_draw(LEAST_COLUMNS, LEAST_LINES) and not ctx.params["as_json"]
    with (_live if drawn else _plain)(session, shown) as tell:

        def show(step: "Step") -> None:
            nonlocal seen, kept
            if not kept and session.ranks.first:
                kept = True
                keep_config(ctx, session.folder.path, resumed=session.resumed)
            tell(step)
            if session.newest_grid != seen:
                seen = session.newest_grid
                say(f"Preview: {seen}")

        return result_of(run, show)


Tell = Callable[["Step"], None]


@contextmanager
def _plain(session: "Session[Any]", shown: Shown) -> Iterator[Tell]:
    unit, each = ("images", shown.images) if shown.images else ("steps", 1)
    with progress(shown.title, session.total * each, done=session.done * each, unit=unit) as advance:
        yield lambda step: advance(each, losses_line(step.losses) if step.done % LOSSES_EVERY == 0 else None)


# The live view.

LEAST_COLUMNS, LEAST_LINES = 80, 24
LOSSES = 4  # lines of losses
SPARK = "▁▂▃▄▅▆▇█"
LABELS = {"g": "loss G", "d": "loss D"}
SIDE, LARGE_SIDE = 16, 32  # of a sample in the preview, in pixels: a character holds two, one above the other
LARGE_LINES = 36  # of a terminal that has room for larger samples
MOST_SAMPLES = 8
PREVIEW_EVERY = 20.0  # seconds between two previews
PREVIEW_SHARE = 0.02  # of the time that previews may take
REDRAWS = 4  # in a second
PACE_OVER = 50  # steps: some kinds of steps take longer than others


@contextmanager
def _live(session: "Session[Any]", shown: Shown) -> Iterator[Tell]:
    from rich.live import Live

    view = _View(session, shown)
    with (
        Live(console=err(), get_renderable=view.draw, refresh_per_second=REDRAWS, redirect_stdout=False,
             redirect_stderr=False),
        messages_above(),
    ):  # fmt: skip
        try:
            yield view.tell
        finally:
            view.over = True  # what is left on the terminal is one line


class _View:
    """What is known of a session, and how it is drawn. over: whether it has ended."""

    def __init__(self, session: "Session[Any]", shown: Shown) -> None:
        from lfsgan_cli.system.machine import PeakMemory

        self.over = False
        self._session, self._shown = session, shown
        self._memory = PeakMemory(session.device)
        self._history: dict[str, _History] = {}
        self._ends = deque([(time.monotonic(), session.done)], maxlen=PACE_OVER)
        self._last: Mapping[str, Any] = {}
        self._samples: Sequence[Pixels] = ()
        self._sampled, self._wait = time.monotonic(), 0.0

    def tell(self, step: "Step") -> None:
        """Take in a finished step."""
        self._ends.append((time.monotonic(), step.done))
        if not self._last or step.done % LOSSES_EVERY == 0:
            self._last = step.losses
            for name, loss in step.losses.items():
                self._history.setdefault(name, _History(name)).add(float(loss))
        start = time.monotonic()
        if start - self._sampled >= self._wait:
            self._samples = self._session.samples(self._session.grid_seeds[:MOST_SAMPLES])
            self._sampled = time.monotonic()
            self._wait = max(PREVIEW_EVERY, (self._sampled - start) / PREVIEW_SHARE)

    def draw(self) -> Any:
        """The view, as wide as the terminal."""
        from rich.console import Group

        width = err().width - 1
        if self.over:
            return self._progress(width)
        lines = [self._progress(width), *(history.draw(width) for history in self._losses()), self._state()]
        side = LARGE_SIDE if err().height >= LARGE_LINES else SIDE
        return Group(*lines, *half_blocks(self._samples[: width // (side + 2)], side))

    def _losses(self) -> "list[_History]":
        main = [self._history[name] for name in LABELS if name in self._history]
        return [*main, *(each for name, each in self._history.items() if name not in LABELS)][:LOSSES]

    def _progress(self, width: int) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        session, each = self._session, self._shown.images or 1
        (began, first), (ended, last) = self._ends[0], self._ends[-1]
        pace = (last - first) / (ended - began) if last > first else 0.0
        left = f"{clock((session.total - last) / pace)} left" if pace else ""
        if self.over:
            left = losses_line(self._last)
        counts = f"{last * each:,}/{session.total * each:,} {'images' if self._shown.images else 'steps'}"
        line = Table.grid(padding=(0, 1), expand=True)
        line.width = width
        for ratio in (None, 1, None, None, None):
            line.add_column(ratio=ratio, no_wrap=True)
        bar = ProgressBar(session.total, last)
        line.add_row(one_line(self._shown.title), bar, counts, f"{pace * each:.3g}/s" if pace else "", left)
        return line

    def _state(self) -> str:
        left = self._session.since_checkpoint.left(self._shown.save_every)
        memory = self._memory.mb
        parts = ["" if memory is None else f"peak memory {memory / 1000:.2f} GB", f"next checkpoint in {clock(left)}"]
        return ", ".join(part for part in parts if part)


class _History:
    """A loss since the beginning, in few numbers: when there are too many, neighbours are averaged."""

    MOST = 256

    def __init__(self, name: str) -> None:
        self._label = LABELS.get(name, f"loss {name}")
        self._means: list[float] = []
        self._stride, self._part = 1, list[float]()
        self._last = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self._last = value
        self._part.append(value)
        if len(self._part) == self._stride:
            self._means.append(sum(self._part) / self._stride)
            self._part = []
        if len(self._means) == self.MOST:
            self._means = [(a + b) / 2 for a, b in zip(self._means[::2], self._means[1::2], strict=True)]
            self._stride *= 2

    def draw(self, width: int) -> "Text":
        """One line: name, last value, sparkline."""
        from rich.text import Text

        line = Text(f"{one_line(self._label):<12} {self._last:>9.3f}  ", no_wrap=True, overflow="crop")
        return line.append(sparkline(self._means, width - len(line)), "cyan")


def sparkline(values: Sequence[float], width: int) -> str:
    """Values from left to right as characters of eight heights, from the least value to the largest; at most `width`.

    Where there are more values than places, a place shows the mean of its share. Values that are not finite are blank.
    """
    places = min(width, len(values))
    bounds = [index * len(values) // places for index in range(places + 1)] if places > 0 else [0]
    shares = [values[first:last] for first, last in pairwise(bounds)]
    means = [sum(share) / len(share) for share in shares]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    scale = (len(SPARK) - 1) / (high - low) if high > low else 0.0
    return "".join(SPARK[round((mean - low) * scale)] if math.isfinite(mean) else " " for mean in means)


def half_blocks(images: "Sequence[Pixels]", side: int) -> "list[Text]":
    """Images side by side, each `side` characters wide and half as many lines high, two pixels in a character."""
    import numpy as np
    from PIL import Image
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    small = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)) for image in images]
    lines = [Text(no_wrap=True, overflow="crop") for _ in range(side // 2 if small else 0)]
    for row, line in enumerate(lines):
        for pixels in small:
            for column in range(side):
                upper, lower = (Color.from_rgb(*pixels[2 * row + half, column]) for half in (0, 1))
                line.append("▀", Style(color=upper, bgcolor=lower))
            line.append("  ")
    return lines


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
    from lfsgan_cli import registry

    return [name for name in registry.names(registry.RECIPES) if name.startswith(incomplete)]
