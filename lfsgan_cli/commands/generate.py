"""`lfsgan generate`: pictures of learned tasks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.completion import task_names
from lfsgan_cli.commands.console import print_json, print_text, progress, say
from lfsgan_cli.commands.help import INPUT, MACHINE, OUTPUT, SAMPLING
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import Choice

if TYPE_CHECKING:
    from lfsgan_cli.generation.generate import Drawing, Means

Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task to sample from; may be repeated.",
    ),
]  # fmt: skip
Count = Annotated[
    int | None,
    typer.Option(
        "-n", min=1, max=MOST, rich_help_panel=SAMPLING, help="Number of images, from seed 0 on.  [default: 16]"
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="0-63,70", rich_help_panel=SAMPLING, help="Seeds to use instead of -n."),
]
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
NoiseChoice = Annotated[
    Literal["seed", "const", "none"],
    typer.Option(
        "--noise", rich_help_panel=SAMPLING, help="Noise inputs: from the seed, the same for all images, or none."
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, max=MOST, rich_help_panel=MACHINE,
        help="Images in a batch. It changes the speed only.  [default: what suits the device]",
    ),
]  # fmt: skip
PrecisionChoice = Annotated[
    Choice,
    typer.Option(
        "--precision",
        rich_help_panel=MACHINE,
        help="Precision. auto is fp32; bf16 is faster and shifts colours a little.",
    ),
]
CompileChoice = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        "--compile", rich_help_panel=MACHINE,
        help="Compile the generator first, which takes half a minute. auto compiles for very many images.",
    ),
]  # fmt: skip
OutDir = Annotated[Path, typer.Option("--outdir", metavar="DIR", rich_help_panel=OUTPUT, help="Output folder.")]
WithBase = Annotated[
    bool, typer.Option("--with-base", rich_help_panel=INPUT, help="Also sample from the base, with the same seeds.")
]

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
    """Generate images of learned tasks.

    Writes one PNG for each task and seed into --outdir, and grid.png with all of them. The same seed always gives the
    same image.
    """
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
