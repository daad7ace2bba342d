"""`lfsgan generate`: pictures of learned tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.console import print_json, print_text, progress, say
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir
from lfsgan_cli.system.device import Choice

if TYPE_CHECKING:
    from lfsgan_cli.generation.generate import Drawing, Means

Tasks = Annotated[list[str] | None, typer.Option("--task", metavar="NAME", help="A learned task; may be repeated.")]
Count = Annotated[int | None, typer.Option("-n", min=1, help="How many pictures: seeds from 0 on.  [default: 16]")]
Seeds = Annotated[str | None, typer.Option("--seeds", metavar="0-63,70", help="Which pictures, instead of -n.")]
Truncation = Annotated[
    float,
    typer.Option("--truncation", min=0, max=2, help="1 draws everything, less stays nearer to the mean picture."),
]
Strength = Annotated[
    float,
    typer.Option("--strength", min=0, max=1.2, help="Share of what a task changes: 0 draws the base, 1 the task."),
]
NoiseChoice = Annotated[
    Literal["seed", "const", "none"],
    typer.Option("--noise", help="Fine detail from the seed, the same for all, or none."),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, help="Pictures drawn at once; changes speed only.  [default: what suits the device]"
    ),
]
PrecisionChoice = Annotated[
    Choice,
    typer.Option("--precision", help="Of feature maps. auto is fp32: bf16 is faster, and moves colours a little."),
]
CompileChoice = Annotated[
    Literal["auto", "on", "off"],
    typer.Option("--compile", help="Prepare faster programs first, for half a minute; auto does so for very many."),
]
OutDir = Annotated[Path, typer.Option("--outdir", metavar="DIR", help="Where the pictures go.")]
WithBase = Annotated[bool, typer.Option("--with-base", help="Draw the base as well, with the same seeds.")]

DEFAULT_COUNT = 16


def generate(
    task: Tasks = None,
    count: Count = None,
    seeds: Seeds = None,
    truncation: Truncation = 1.0,
    strength: Strength = 1.0,
    noise: NoiseChoice = "seed",
    with_base: WithBase = False,
    batch: Batch = None,
    precision: PrecisionChoice = "auto",
    compile_: CompileChoice = "auto",
    outdir: OutDir = Path("out"),
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Draw pictures of learned tasks, one for each seed."""
    names: list[str | None] = [*([None] if with_base else []), *dict.fromkeys(task or [])]
    if not names:
        raise typer.BadParameter("expected a learned task (or --with-base); `lfsgan tasks list`", param_hint="--task")
    if strength != 1 and not any(names):
        raise typer.BadParameter(
            "scales what a task changes, and the base has no task; give --task", param_hint="--strength"
        )
    wanted = _seeds(count, seeds)
    from lfsgan_cli.generation.generate import Drawing
    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    drawing = Drawing(place, names, wanted, SamplingOptions(truncation, noise, strength), outdir)
    means = drawing.means(where, batch, "bf16" if precision == "bf16" else "fp32", compile_)
    if not dry_run:
        _draw(drawing, means)
    if as_json:
        print_json({"pictures": [str(path) for path in drawing.paths()], "grid": str(drawing.sheet)})
    elif dry_run:
        say(f"Would draw {len(drawing.paths()):,} pictures into {str(outdir)!r}.")
    else:
        print_text(str(drawing.sheet))


def _draw(drawing: "Drawing", means: "Means") -> None:
    with progress("Drawing", len(drawing.paths()) + 1, unit="pictures") as advance:
        for _ in drawing.run(means):
            advance()


def _seeds(count: int | None, seeds: str | None) -> list[int]:
    from lfsgan_cli.options import parse_seeds

    if seeds is None:
        return list(range(DEFAULT_COUNT if count is None else count))
    if count is not None:
        raise typer.BadParameter("give either -n or --seeds", param_hint="-n")
    return parse_seeds(seeds)
