"""The options that mean the same on every command."""

import inspect
import shlex
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from lfsgan_cli.cli import DEBUG
from lfsgan_cli.console import Verbosity, set_verbosity
from lfsgan_cli.precision_names import Choice

Command = TypeVar("Command", bound=Callable[..., Any])

AUTO = "auto"
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
    typer.Option("--workspace", metavar="DIR", envvar="LFSGAN_WORKSPACE", help="Where the base and the tasks are."),
]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]|mps", help="What computes.")]
PrecisionChoice = Annotated[
    Choice,
    typer.Option(
        "--precision", help="Of feature maps while training: bf16 is faster on large networks, where a device has it."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and tell what would be done, but do nothing.")
]

# These act through their callbacks, before the command begins.
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_quiet, help="Say nothing but warnings and errors."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", callback=_verbose, help="Say more.")]
Debug = Annotated[
    bool,
    typer.Option("--debug", callback=_debug, is_eager=True, help="Show where in the program an error arose."),
]
EVERYWHERE = {"quiet": Quiet, "verbose": Verbose, "debug": Debug}


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
