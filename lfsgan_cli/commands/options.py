"""The options that mean the same on every command."""

import inspect
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from lfsgan_cli.commands import config
from lfsgan_cli.commands.config import ConfiguredCommand
from lfsgan_cli.commands.console import (
    DEBUG,
    Verbosity,
    detail,
    progress,
    say,
    set_verbosity,
    warn,
)
from lfsgan_cli.commands.help import GENERAL, INPUT, MACHINE, OUTPUT, SAMPLING
from lfsgan_cli.commands.help import Command as HelpfulCommand
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import Choice, launched
from lfsgan_cli.workspace.paths import check_local, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lfsgan_cli.images.dataset import ImageDataset
    from lfsgan_cli.images.formats import UnusableFile
    from lfsgan_cli.images.summary import Finding, ImageSummary
    from lfsgan_cli.workspace.workspace import Workspace


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


def _local(ctx: typer.Context, given: Path) -> Path:
    if not ctx.resilient_parsing:
        check_local(given, f"`{ctx.command_path}`")
    return given


WorkspaceDir = Annotated[
    Path,
    typer.Option(
        "--workspace", metavar="DIR", envvar="LFSGAN_WORKSPACE", rich_help_panel=INPUT, callback=_local,
        help="Folder of the base and its tasks.",
    ),
]  # fmt: skip
# Of commands that only read: `local_copy` makes a folder of it.
AnyWorkspace = Annotated[
    Path,
    typer.Option(
        "--workspace", metavar="DIR|URL", envvar="LFSGAN_WORKSPACE", rich_help_panel=INPUT,
        help="Folder of the base and its tasks, or s3://BUCKET/PATH, hf://OWNER/NAME.",
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


class OneProcessError(LfsganError):
    """Several processes for a command that does not share its work among them."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(
            f"{name!r} does not share its work among processes, and torchrun started {count}: start it without torchrun"
        )


def register(
    group: typer.Typer,
    name: str,
    command: Command,
    *examples: str,
    panel: str | None = None,
    configured: bool = False,
    shared: bool = False,
) -> Command:
    """Add a command to a group of commands: its help page ends with the examples, command lines that work.

    configured: it takes `--config` and `--save-config`. shared: processes that torchrun starts share its work.
    """
    cls, extra = (ConfiguredCommand, config.OPTIONS | EVERYWHERE) if configured else (HelpfulCommand, EVERYWHERE)
    run = with_options(command, extra, "" if shared else name)
    group.command(name, cls=cls, epilog="\n".join(examples), rich_help_panel=panel)(run)
    return command


def everywhere(command: Command) -> Command:
    """Give a command `--quiet`, `--verbose` and `--debug`."""
    return with_options(command, EVERYWHERE)


def with_options(command: Command, options: Mapping[str, Any], alone: str = "") -> Command:
    """Give a command options that act without it: Typer sees them in its signature, its body does not.

    alone: the name of a command that raises OneProcessError where torchrun started several processes.
    """

    @wraps(command)
    def run(*args: Any, **given: Any) -> Any:
        launch = launched() if alone else None
        if launch is not None:
            raise OneProcessError(alone, launch.count)
        return command(*args, **{name: value for name, value in given.items() if name not in options})

    signature = inspect.signature(command, eval_str=True)
    extra = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if name in EVERYWHERE else None, annotation=annotation
        )
        for name, annotation in options.items()
    ]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *extra]
    )
    return cast(Command, run)


def to_repeat(*arguments: str, workspace: Path, device: str = "auto", shared: bool = False) -> str:
    """A command line to copy, quoted for a shell; workspace and device are in it where they are not the default.

    shared: as many processes as torchrun started run it again.
    """
    launch = launched() if shared else None
    if launch is not None:
        nodes = launch.count // launch.local_count
        more = f"--nnodes={nodes} --rdzv-backend=c10d --rdzv-endpoint=HOST:PORT " if nodes > 1 else ""
        again = to_repeat(*arguments, workspace=workspace, device=device).removeprefix(shlex.join(_program()))
        return f"torchrun {more}--nproc-per-node={launch.local_count} -m lfsgan_cli{again}"
    place = [] if workspace == DEFAULT_WORKSPACE else ["--workspace", spelled(workspace)]
    where = [] if device == "auto" else ["--device", device]
    return shlex.join([*_program(), *arguments, *place, *where])


def _program() -> list[str]:
    """How the program is called: `lfsgan`, or as the user called it where no such command is on the PATH."""
    installed, called = which("lfsgan"), Path(sys.argv[0])
    if called.stem == "lfsgan" and (installed is None or not called.exists() or not called.samefile(installed)):
        return [str(called)]
    return ["python", "-m", "lfsgan_cli"] if installed is None and called.name == "__main__.py" else ["lfsgan"]


def given_options(ctx: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """Those of the named options that stand on the command line, with their values; defaults and `auto` left out."""
    return {
        name: ctx.params[name]
        for name in names
        if ctx.params[name] != AUTO
        and (source := ctx.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    }


# The options of commands that measure.


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


Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", min=1, max=256, rich_help_panel=MACHINE,
        help="Processes that share the work. The images are the same; each needs its own memory.",
    ),
]  # fmt: skip


def refuse_jobs(jobs: int) -> None:
    """A usage error for `--jobs` where torchrun has started several processes already."""
    if jobs > 1 and launched() is not None:
        raise typer.BadParameter("torchrun has started processes already; leave this out", param_hint="--jobs")


def open_for_sampling(root: Path, *, needs_task: bool) -> "Workspace":
    """The workspace; where only the base is sampled, it need not be there, and the embedded base is taken."""
    from lfsgan_cli.workspace.base_file import EMBEDDED
    from lfsgan_cli.workspace.workspace import check_workspace, workspace_at

    place = check_workspace(root) if needs_task else workspace_at(root)
    if not needs_task and not place.base_path.exists():
        say(f"No base in {str(root)!r}: sampling the embedded base {EMBEDDED}.")
    return place


# Looks at what a long work needs before it starts: every picture of a large set, and memory.


def check_images(dataset: "ImageDataset", *, least: int = 1, can_fit: bool = False, label: str = "") -> "ImageSummary":
    """Decode every image once, and tell what is used and what was skipped; raises as `ImageDataset.conclude`.

    can_fit: the command has `--fit`. label: which images they are, where a command reads several sources.
    """
    summary = examine_images(dataset, least=least)
    tell_images(summary, can_fit=can_fit, label=label)
    return summary


def examine_images(dataset: "ImageDataset", *, least: int = 1) -> "ImageSummary":
    """Decode every image once, with a progress bar; raises as `ImageDataset.conclude`."""
    with progress("Checking images", len(dataset), unit="images") as advance:

        def counted() -> "Iterator[Finding | UnusableFile]":
            for finding in dataset.examine():
                advance()
                yield finding

        return dataset.conclude(counted(), least=least)


def tell_images(summary: "ImageSummary", *, can_fit: bool = False, label: str = "") -> None:
    """One line with the images that are used and the files that were skipped, then what is done to them."""
    line = summary.line()
    say(f"{label}: {line[0].lower()}{line[1:]}" if label else line)
    for note in summary.notes(can_fit=can_fit):
        say(note)
    for warning in summary.warnings():
        warn(warning)


def tell_memory(needed: int, free: int | None, fewer: str) -> None:
    """Tell how much memory, in bytes, a training needs; a warning if less is free. fewer: options that lower it."""
    expected = f"about {_gigabytes(needed)} of memory"
    if free is None or needed <= free:
        detail(f"Expected memory: {expected}.")
    else:
        warn(f"this needs {expected}, and {_gigabytes(free)} are free: close other programs, or use a smaller {fewer}")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


Truncation = Annotated[
    float,
    typer.Option(
        "--truncation", min=0, max=2, rich_help_panel=SAMPLING,
        help="Truncation psi: below 1 gives more typical, less varied images.",
    ),
]  # fmt: skip

Strength = Annotated[
    float,
    typer.Option(
        "--strength", min=0, max=1.2, rich_help_panel=SAMPLING, help="Strength of the task: 0 is the base, 1 the task."
    ),
]

LayerStrengths = Annotated[
    str,
    typer.Option(
        "--strength", metavar="0.7|coarse=1,fine=0.5",
        help="Share of what a task changes (0 to 1.2), also by layer: coarse, middle, fine, 4-16, mapping.",
        rich_help_panel=SAMPLING,
    ),
]  # fmt: skip

NoiseChoice = Annotated[
    Literal["seed", "const", "none"],
    typer.Option(
        "--noise", rich_help_panel=SAMPLING, help="Noise inputs: from the seed, the same for all images, or none."
    ),
]


# What a shell proposes after Tab: names of tasks, adapters, recipes and bases, found without torch.


Proposals = list[str]
MOST_PROPOSALS = 1000


def task_names(ctx: Any, incomplete: str) -> Proposals:
    """The tasks of the workspace that the command line names; none where there is no workspace."""
    from lfsgan_cli.workspace import paths

    root = ctx.params.get("workspace") or Path("lfsgan_workspace")
    try:
        found = _starting(paths.task_names(Path(root).expanduser()), incomplete)
    except (LfsganError, OSError, RuntimeError):  # a shell has no use for an error in the middle of a line
        return []
    # With the last one, what all have in common stays the same: that is what a shell adds to the line.
    return [*found[: MOST_PROPOSALS - 1], found[-1]] if len(found) > MOST_PROPOSALS else found


def adapter_names(incomplete: str) -> Proposals:
    """The installed adapters."""
    from lfsgan_cli import registry

    return _starting(registry.names(), incomplete)


def base_files(incomplete: str) -> Proposals:
    """Files that may be bases, here and in the workspaces beside; folders as well, to go on from."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    try:
        inside = [path for path in folder.expanduser().iterdir() if not path.name.startswith(".")]
    except (OSError, RuntimeError):
        return []
    files = [path for path in inside if path.suffix == ".safetensors"]
    bases = [path / "base.safetensors" for path in inside if (path / "base.safetensors").is_file()]
    return _starting([str(path) for path in [*files, *bases]], incomplete)


def _starting(names: Any, incomplete: str) -> Proposals:
    return sorted(name for name in names if name.startswith(incomplete))
