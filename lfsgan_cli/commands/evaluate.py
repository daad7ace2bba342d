"""`lfsgan evaluate`: how near a task's pictures are to real ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lfsgan_cli.commands.checking import check_pictures
from lfsgan_cli.commands.common import DEFAULT_WORKSPACE, Device, DryRun, Json, WorkspaceDir
from lfsgan_cli.commands.generate import NoiseChoice, Truncation
from lfsgan_cli.console import print_json, say, table, warn
from lfsgan_cli.progress import progress

if TYPE_CHECKING:
    from lfsgan_cli.jobs.measuring import Measurement, Measuring
    from lfsgan_cli.workspace import Workspace

Tasks = Annotated[list[str] | None, typer.Option("--task", metavar="NAME", help="A task; all of them if not given.")]
Fid = Annotated[bool, typer.Option("--fid", help="Measure the Fréchet distance of features; less is nearer.")]
RealPictures = Annotated[
    Path | None,
    typer.Option("--reals", metavar="DIR|ZIP", help="Real pictures to compare with; if not given, the few shots."),
]
Count = Annotated[int, typer.Option("-n", min=2, help="Pictures to draw of each task, from seed 0 on.")]
WithBase = Annotated[bool, typer.Option("--with-base", help="Measure the base as well; needs --reals.")]
Features = Annotated[
    Literal["auto", "inception", "efficientnet-lite0"], typer.Option("--features", help="What looks at the pictures.")
]
InceptionWeights = Annotated[
    Path | None, typer.Option("--inception-weights", metavar="FILE", help="Inception's weights, if not in the cache.")
]
Offline = Annotated[
    bool, typer.Option("--offline", envvar="LFSGAN_OFFLINE", help="Never download; weights must be at hand.")
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Pictures looked at at once; changes speed only.")]


def evaluate(
    task: Tasks = None,
    fid: Fid = False,
    reals: RealPictures = None,
    count: Count = 2000,
    with_base: WithBase = False,
    features: Features = "auto",
    inception_weights: InceptionWeights = None,
    offline: Offline = False,
    truncation: Truncation = 1.0,
    noise: NoiseChoice = "seed",
    batch: Batch = 50,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure how near the pictures of tasks are to real ones."""
    if not fid:
        raise typer.BadParameter("say what to measure; there is --fid so far", param_hint="--fid")
    if with_base and reals is None:
        raise typer.BadParameter("the base has no few shots of its own; give --reals", param_hint="--with-base")
    from lfsgan_cli.devices import pick as pick_device
    from lfsgan_cli.jobs.drawing import Style
    from lfsgan_cli.jobs.measuring import Measuring
    from lfsgan_cli.metrics.features import pick
    from lfsgan_cli.workspace import check_workspace

    place, where = check_workspace(workspace), pick_device(device)
    names = _names(place, task, with_base=with_base)
    choice = pick(features, inception_weights=inception_weights, offline=offline, device=where)
    job = Measuring(place, names, reals, count, Style(truncation, noise), choice.extractor, where, batch)
    job.check()
    for source in job.sources():
        check_pictures(source)
    say(f"{choice.why[0].upper()}{choice.why[1:]}.")
    if reals is None:
        warn(
            "the real pictures are the very few that each task learned from: the number says how near the pictures are "
            "to those, a copy of them would be best, and no other program's number compares; "
            "give the domain with --reals"
        )
    if dry_run:
        _tell_plan(job, as_json=as_json)
        return
    _tell(_measure(job), as_json=as_json)


def _names(place: "Workspace", task: list[str] | None, *, with_base: bool) -> list[str | None]:
    from lfsgan_cli.jobs.measuring import NoTaskError
    from lfsgan_cli.taskfolder import task_names

    names = list(dict.fromkeys(task)) if task else task_names(place.root)
    if not names and not with_base:
        raise NoTaskError(place.root)
    return [*([None] if with_base else []), *names]


def _measure(job: "Measuring") -> "list[Measurement]":
    with progress("Looking at pictures", job.pictures(), unit="pictures") as advance:
        return list(job.fid(advance))


def _tell_plan(job: "Measuring", *, as_json: bool) -> None:
    if as_json:
        names = [name or "base" for name in job.names]
        print_json({"tasks": names, "extractor": job.extractor.name, "n": job.count, "pictures": job.pictures()})
    else:
        say(f"Would look at {job.pictures():,} pictures.")


def _tell(measured: "list[Measurement]", *, as_json: bool) -> None:
    for warning in dict.fromkeys(text for one in measured for text in one.warnings):
        warn(warning)
    if as_json:
        print_json({
            "results": [{"task": one.task, "name": one.name, "value": one.value, **one.note} for one in measured]
        })  # fmt: skip
    else:
        table(("task", "metric", "value"), [(one.task, one.name, f"{one.value:.2f}") for one in measured])
