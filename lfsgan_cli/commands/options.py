"""The options that mean the same on every command."""

import inspect
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from lfsgan_cli.commands.completion import task_names
from lfsgan_cli.commands.console import Verbosity, detail, progress, say, set_verbosity, warn
from lfsgan_cli.commands.help import GENERAL, INPUT, MACHINE, METRICS, OUTPUT
from lfsgan_cli.commands.help import Command as HelpfulCommand
from lfsgan_cli.commands.main import DEBUG
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from lfsgan_cli.evaluation.features import ExtractorMode as FidModeName
    from lfsgan_cli.evaluation.features import ExtractorName as FeaturesName
    from lfsgan_cli.evaluation.features import FeatureExtractors
    from lfsgan_cli.evaluation.features import JudgeName as LpipsName
    from lfsgan_cli.images.formats import BadImage
    from lfsgan_cli.images.source import Source


Command = TypeVar("Command", bound=Callable[..., Any])

AUTO = "auto"
DEVICES = ["auto", "cpu", "cuda", "mps"]
DEFAULT_WORKSPACE = Path("lfsgan_workspace")


def _debug(ctx: typer.Context, given: bool) -> None:
    if given:
        ctx.meta[DEBUG] = True


def _quiet(given: bool) -> None:
    if given:
        set_verbosity(Verbosity.QUIET)


def _verbose(given: bool) -> None:
    if given:
        set_verbosity(Verbosity.VERBOSE)


WorkspaceDir = Annotated[
    Path,
    typer.Option(
        "--workspace", metavar="DIR", envvar="LFSGAN_WORKSPACE", rich_help_panel=INPUT,
        help="Folder of the base and its tasks.",
    ),
]  # fmt: skip
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="[auto|cpu|cuda|mps]", rich_help_panel=MACHINE, autocompletion=lambda: DEVICES,
        help="Device to run on. cuda:N is the GPU number N.",
    ),
]  # fmt: skip
PrecisionChoice = Annotated[
    Choice,
    typer.Option(
        "--precision", rich_help_panel=MACHINE,
        help="Training precision. auto uses bf16 from 128×128 where it is faster.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print one JSON document.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", rich_help_panel=OUTPUT, help="Check everything and print the plan, without work.")
]

# These act through their callbacks, before the command begins.
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_quiet, rich_help_panel=GENERAL, help="Print only warnings and errors."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_verbose, rich_help_panel=GENERAL, help="Print details.")
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug", callback=_debug, is_eager=True, rich_help_panel=GENERAL, help="Show the traceback of an error."
    ),
]
EVERYWHERE = {"quiet": Quiet, "verbose": Verbose, "debug": Debug}


def register(group: typer.Typer, name: str, command: Command, *examples: str, panel: str | None = None) -> Command:
    """Add a command to a group of commands: its help page ends with the examples, command lines that work."""
    group.command(name, cls=HelpfulCommand, epilog="\n".join(examples), rich_help_panel=panel)(everywhere(command))
    return command


def everywhere(command: Command) -> Command:
    """Give a command `--quiet`, `--verbose` and `--debug`: Typer sees them in its signature, its body does not."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> Any:
        return command(*args, **{name: value for name, value in options.items() if name not in EVERYWHERE})

    signature = inspect.signature(command, eval_str=True)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in EVERYWHERE.items()
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *extra]
    )
    return cast(Command, run)


def to_repeat(*arguments: str, workspace: Path, device: str = "auto") -> str:
    """A command line to copy, quoted for a shell; workspace and device are in it where they are not the default."""
    place = [] if workspace == DEFAULT_WORKSPACE else ["--workspace", str(workspace)]
    where = [] if device == "auto" else ["--device", device]
    return shlex.join(["lfsgan", *arguments, *place, *where])


def laid_on_white(pictures: int) -> str:
    """What the user is told of pictures with transparency."""
    if pictures == 1:
        return "1 picture has transparency; it is laid on white."
    return f"{pictures:,} pictures have transparency; they are laid on white."


def given_options(ctx: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """Those of the named options that stand on the command line, with their values; defaults and `auto` left out."""
    return {
        name: ctx.params[name]
        for name in names
        if ctx.params[name] != AUTO
        and (source := ctx.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    }


# The options of `lfsgan evaluate`, in the order of its help.


Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task to measure; may be repeated.  [default: all]",
    ),
]  # fmt: skip
Fid = Annotated[bool, typer.Option("--fid", rich_help_panel=METRICS, help="Fréchet distance; lower is better.")]
Kid = Annotated[
    bool,
    typer.Option("--kid", rich_help_panel=METRICS, help="Kernel distance, unbiased for small sets; lower is better."),
]
Prdc = Annotated[
    bool,
    typer.Option("--prdc", rich_help_panel=METRICS, help="Precision, recall, density, coverage; higher is better."),
]
Lpips = Annotated[
    bool,
    typer.Option("--lpips", rich_help_panel=METRICS, help="Intra-LPIPS and B-LPIPS: diversity; higher is better."),
]
Memorization = Annotated[
    bool,
    typer.Option(
        "--memorization", rich_help_panel=METRICS, help="Share of near-duplicates of training images; lower is better."
    ),
]
Everything = Annotated[bool, typer.Option("--all", rich_help_panel=METRICS, help="All of these metrics.")]
Retention = Annotated[
    bool,
    typer.Option("--retention", rich_help_panel=METRICS, help="Check that no task has changed since it was learned."),
]
RealPictures = Annotated[
    Path | None,
    typer.Option(
        "--reals", metavar="DIR|ZIP", rich_help_panel=INPUT,
        help="Real images to compare with.  [default: the training images]",
    ),
]  # fmt: skip
FewShots = Annotated[
    Path | None,
    typer.Option(
        "--shots", metavar="DIR|ZIP", rich_help_panel=INPUT,
        help="Training images.  [default: those in the workspace]",
    ),
]  # fmt: skip
Fakes = Annotated[
    Path | None,
    typer.Option(
        "--fakes", metavar="DIR|ZIP", rich_help_panel=INPUT,
        help="Generated images to measure instead of tasks, from any program.",
    ),
]  # fmt: skip
Count = Annotated[
    int,
    typer.Option("-n", min=2, max=MOST, rich_help_panel=INPUT, help="Images to generate of each task, from seed 0 on."),
]
Blocks = Annotated[
    int,
    typer.Option(
        "--blocks", min=1, max=MOST, rich_help_panel=METRICS,
        help="Split the images into blocks and print mean and deviation.",
    ),
]  # fmt: skip
WithBase = Annotated[
    bool, typer.Option("--with-base", rich_help_panel=INPUT, help="Also measure the base. Needs --reals.")
]
Save = Annotated[
    Path | None,
    typer.Option(
        "--save", metavar="DIR", rich_help_panel=OUTPUT, help="Save the generated images, one folder for each task."
    ),
]
Features = Annotated[
    Literal["auto", "inception", "efficientnet-lite0"],
    typer.Option("--features", rich_help_panel=METRICS, help="Feature extractor of FID, KID and PRDC."),
]
FidMode = Annotated[
    Literal["clean", "legacy-pytorch"],
    typer.Option(
        "--fid-mode", rich_help_panel=METRICS, help="How images are resized for Inception. Papers used legacy-pytorch."
    ),
]
LpipsFeatures = Annotated[
    Literal["auto", "vgg", "efficientnet-lite0"],
    typer.Option("--lpips-features", rich_help_panel=METRICS, help="Network of the perceptual distance."),
]
InceptionWeights = Annotated[
    Path | None,
    typer.Option(
        "--inception-weights", metavar="FILE", rich_help_panel=MACHINE, help="Inception weights.  [default: the cache]"
    ),
]
VggWeights = Annotated[
    Path | None,
    typer.Option("--vgg-weights", metavar="FILE", rich_help_panel=MACHINE, help="VGG16 weights.  [default: the cache]"),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline", envvar="LFSGAN_OFFLINE", rich_help_panel=MACHINE, help="Never download weights of metrics."
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        "--batch", min=1, max=MOST, rich_help_panel=MACHINE, help="Images in a batch. It changes the speed only."
    ),
]


# Looks at what a long work needs before it starts: every picture of a large set, and memory.


def check_pictures(source: "Source") -> None:
    """BadPicturesError names every picture that cannot be used; transparency is said once."""
    from lfsgan_cli.images.dataset import conclude, examine

    with progress("Checking pictures", len(source.names), unit="pictures") as advance:

        def counted() -> "Iterator[bool | BadImage]":
            for finding in examine(source):
                advance()
                yield finding

        checked = conclude(source, counted())
    if checked.transparent:
        say(laid_on_white(checked.transparent))


def tell_memory(needed: int, free: int | None, fewer: str) -> None:
    """How much memory the training is expected to take, in bytes; a warning where less is free.

    fewer: by which option pictures are fewer at once.
    """
    expected = f"about {_gigabytes(needed)} of memory"
    if free is None or needed <= free:
        detail(f"Expecting to take {expected}.")
    else:
        warn(
            f"this is expected to take {expected}, and {_gigabytes(free)} are free: "
            f"free some, or start with a smaller {fewer}, should it end for want of memory"
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


# What pictures are looked at with, as the options of measuring commands say.


@dataclass(frozen=True)
class Weights:
    """Names of the networks, and where their weights are."""

    features: "FeaturesName"
    fid_mode: "FidModeName"
    inception_weights: Path | None
    lpips_features: "LpipsName"
    vgg_weights: Path | None
    offline: bool

    def eye(self, device: "torch.device", *, perceptual: bool) -> "tuple[FeatureExtractors, str]":
        """And what to say of it."""
        from lfsgan_cli.evaluation import features
        from lfsgan_cli.evaluation.features import load_extractors

        found = features.pick_extractor(
            self.features,
            mode=self.fid_mode,
            inception_weights=self.inception_weights,
            offline=self.offline,
            device=device,
        )
        name = self.lpips_features if perceptual else "efficientnet-lite0"
        judge = features.pick_embedder(
            name, found.extractor, vgg_weights=self.vgg_weights, offline=self.offline, device=device
        )
        judged = f" Likeness is judged by {judge.name}." if perceptual else ""
        return load_extractors(found.extractor, judge), f"{found.why[0].upper()}{found.why[1:]}.{judged}"
