"""`lfsgan evaluate`: quality, coverage, diversity and memorization of generated images, and the check of retention."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.completion import task_names
from lfsgan_cli.commands.console import print_json, progress, say, table, warn
from lfsgan_cli.commands.help import INPUT, METRICS, OUTPUT
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    Batch,
    Device,
    DryRun,
    InceptionWeights,
    Json,
    NoiseChoice,
    Offline,
    Strength,
    Truncation,
    VggWeights,
    WorkspaceDir,
    check_images,
)
from lfsgan_cli.evaluation.registry import Metric, metrics, quantity
from lfsgan_cli.options import MOST

if TYPE_CHECKING:
    from lfsgan_cli.evaluation.evaluate import Evaluation, Measurement, NotMeasured
    from lfsgan_cli.evaluation.retention import Verdict
    from lfsgan_cli.images.source import Use
    from lfsgan_cli.images.summary import ImageSummary

NO_REALS = (
    "the real images are the few that each task learned from: numbers say how near the generated images are to those, "
    "and a copy would be best; numbers of other programs do not compare; pass images of the whole domain with --reals"
)

Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="NAME", rich_help_panel=INPUT, autocompletion=task_names,
        help="Task to measure; may be repeated.  [default: all]",
    ),
]  # fmt: skip
Everything = Annotated[bool, typer.Option("--all", rich_help_panel=METRICS, help="All of these metrics.")]
Retention = Annotated[
    bool,
    typer.Option("--retention", rich_help_panel=METRICS, help="Check that no task has changed since it was learned."),
]
Reals = Annotated[
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
    Literal["auto", "inception", "efficientnet-lite0", "efficientnet-lite2", "pixels-16"],
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


def _with_metrics(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command a flag for each metric, and the metrics' own options, in place of its `**chosen`."""
    declared: dict[str, Any] = {}
    for metric in metrics().values():
        flag = typer.Option(f"--{metric.key}", rich_help_panel=METRICS, help=metric.help)
        declared[metric.key] = inspect.Parameter(
            metric.key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, flag]
        )
        for one in metric.options:
            option = typer.Option(f"--{one.name}", metavar=one.metavar, rich_help_panel=METRICS, help=one.help)
            declared[one.name] = inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[list[str] | None, option]
            )
    signature = inspect.signature(command, eval_str=True)
    *first, _chosen = signature.parameters.values()
    command.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*declared.values(), *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in first)]
    )
    return command


@_with_metrics
def evaluate(
    everything: Everything = False,
    retention: Retention = False,
    task: Tasks = None,
    reals: Reals = None,
    shots: FewShots = None,
    fakes: Fakes = None,
    count: Count = 2000,
    blocks: Blocks = 1,
    with_base: WithBase = False,
    save: Save = None,
    features: Features = "auto",
    fid_mode: FidMode = "clean",
    lpips_features: LpipsFeatures = "auto",
    inception_weights: InceptionWeights = None,
    vgg_weights: VggWeights = None,
    offline: Offline = False,
    truncation: Truncation = 1.0,
    strength: Strength = 1.0,
    noise: NoiseChoice = "seed",
    batch: Batch = 50,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
    **chosen: Any,
) -> None:
    """Measure the quality of generated images.

    Quality and coverage (FID, KID, PRDC), diversity (LPIPS), near-duplicates of training images, and whether tasks have
    changed since they were learned. Choose metrics by their options, or --all.
    """
    wanted = [metric for key, metric in metrics().items() if chosen[key] or everything]
    if retention and not wanted:
        prove(workspace, task, device, dry_run=dry_run, as_json=as_json)
        return
    values = _metric_options(wanted, chosen)
    _refuse_contradictions(wanted, count, blocks, fakes=fakes, task=task, with_base=with_base, reals=reals)
    from lfsgan_cli.evaluation.evaluate import Evaluation
    from lfsgan_cli.evaluation.features import ExtractorSettings
    from lfsgan_cli.evaluation.image_sets import WorkspaceSets, foreign, stored_images
    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import check_workspace

    where = pick(device)
    if fakes is not None:
        sets = [foreign(fakes, shots)]
    else:
        style = SamplingOptions(truncation, noise, strength)
        found = WorkspaceSets(check_workspace(workspace), count, style, where, shots, save)
        sets = found.chosen(task or [], with_base=with_base)
    weights = ExtractorSettings(features, fid_mode, inception_weights, lpips_features, vgg_weights, offline)
    extractors, words = weights.load(where, {need for metric in wanted for need in metric.needs})
    known = None if reals is None else stored_images(reals, sets[0].resolution)
    evaluation = Evaluation(sets, known, wanted, extractors, batch, blocks, values)
    evaluation.check()
    inputs = _check_images(sets[0].resolution, reals, shots, fakes)
    if words:
        say(words)
    if reals is None and any("reals" in metric.needs and "few shots" not in metric.needs for metric in wanted):
        warn(NO_REALS)
    for one in evaluation.not_measured:
        _warn_not_measured(one)
    if dry_run:
        _tell_plan(evaluation, inputs, as_json=as_json)
    else:
        _measure(evaluation, inputs, as_json=as_json)
    if retention:
        prove(workspace, task, device, dry_run=dry_run, as_json=False)


def _metric_options(wanted: Sequence[Metric], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the metrics' own options; a usage error for one whose metric was not chosen."""
    values = {}
    for metric in metrics().values():
        for option in metric.options:
            if not chosen[option.name]:
                continue
            if metric not in wanted:
                raise typer.BadParameter(f"belongs to --{metric.key}; add it", param_hint=f"--{option.name}")
            values[option.name] = option.parse(chosen[option.name])
    return values


def _refuse_contradictions(
    wanted: Sequence[Metric],
    count: int,
    blocks: int,
    *,
    fakes: Path | None,
    task: list[str] | None,
    with_base: bool,
    reals: Path | None,
) -> None:
    if not wanted:
        flags = ", ".join(f"--{key}" for key in metrics())
        raise typer.BadParameter(f"no metric was chosen: pass {flags}, --all or --retention", param_hint="--fid")
    if fakes is not None and (task or with_base):
        raise typer.BadParameter("pass either --fakes, or --task and --with-base", param_hint="--fakes")
    if fakes is None and count % blocks:
        raise typer.BadParameter(
            f"{count} images do not make {blocks} equal blocks; pass a multiple with -n", param_hint="--blocks"
        )
    if with_base and reals is None:
        raise typer.BadParameter("the base has no training images of its own; pass --reals", param_hint="--with-base")


def _check_images(side: int, reals: Path | None, shots: Path | None, fakes: Path | None) -> "list[ImageSummary]":
    from lfsgan_cli.images.dataset import ImageDataset
    from lfsgan_cli.images.source import open_source

    uses: dict[Path | None, Use] = {reals: "reference", shots: "reference", fakes: "generated"}
    return [check_images(ImageDataset(open_source(path, use), side)) for path, use in uses.items() if path is not None]


def _warn_not_measured(one: "NotMeasured") -> None:
    warn(f"{one.metric} of {one.task} is not measured: {one.error}")


def _tell_plan(evaluation: "Evaluation", inputs: "list[ImageSummary]", *, as_json: bool) -> None:
    if as_json:
        from lfsgan_cli.images.summary import images_json

        print_json({
            "tasks": [one.title for one in evaluation.sets],
            "extractor": evaluation.extractors.extractor.name,
            "n": evaluation.sets[0].count,
            **images_json(inputs),
            "processed": evaluation.images(),
            "not_measured": [one.to_json() for one in evaluation.not_measured],
        })  # fmt: skip
    else:
        say(f"Would process {evaluation.images():,} images.")


def _measure(evaluation: "Evaluation", inputs: "list[ImageSummary]", *, as_json: bool) -> None:
    from lfsgan_cli.evaluation.evaluate import Measurement
    from lfsgan_cli.images.summary import images_json

    measured: list[Measurement] = []
    missing = list(evaluation.not_measured)
    with progress("Measuring", evaluation.images(), unit="images") as advance:
        for one in evaluation.run(advance):
            if isinstance(one, Measurement):
                measured.append(one)
            else:
                missing.append(one)
    for late in missing[len(evaluation.not_measured) :]:
        _warn_not_measured(late)
    for warning in dict.fromkeys(text for one in measured for text in one.value.warnings):
        warn(warning)
    if as_json:
        print_json({
            **images_json(inputs),
            "results": [one.to_json() for one in measured],
            "not_measured": [one.to_json() for one in missing],
        })  # fmt: skip
    else:
        table(("task", "metric", "value"), [(one.task, one.value.name, _number(one)) for one in measured])
    if not measured:
        raise missing[0].error


def _number(measured: "Measurement") -> str:
    value, known = measured.value, quantity(measured.value.metric)
    digits = known.digits if known else 4
    error = "" if value.error is None else f" ± {value.error:.{digits}f}"
    return f"{round(value.value, digits) + 0.0:.{digits}f}{error}"  # + 0.0 turns -0.0 into 0.0


# `lfsgan evaluate --retention`: the proof that no task was forgotten.


def prove(workspace: Path, task: list[str] | None, device: str, *, dry_run: bool, as_json: bool) -> None:
    """Compare tasks with what was recorded of them; exit code 1 where one is not what it was."""
    from lfsgan_cli.evaluation.image_sets import NoTaskError
    from lfsgan_cli.evaluation.retention import check_all, save_verdicts
    from lfsgan_cli.evaluation.retention import names as recorded_names
    from lfsgan_cli.io.files import FileWriteError
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    names = list(dict.fromkeys(task)) if task else recorded_names(place)
    if not names:
        raise NoTaskError(place.root)
    if dry_run:
        say(f"Would compare {', '.join(names)} with what was recorded.")
        return
    verdicts = check_all(place, names, where)
    if as_json:
        print_json({"tasks": {name: verdict.to_json() for name, verdict in verdicts.items()}})
    else:
        table(("task", "retained", "pictures", "difference", "why"), [_row(*item) for item in verdicts.items()])
    try:
        save_verdicts(place, verdicts)
    except FileWriteError as error:
        warn(f"the verdicts are not saved for the report: {error}")
    if not all(verdict.retained for verdict in verdicts.values()):
        raise typer.Exit(1)


def _row(name: str, verdict: "Verdict") -> tuple[str, str, str, int, str]:
    kept = "yes" if verdict.retained else "NO"
    pictures = f"{verdict.pictures}, {verdict.compared} compared"
    return name, kept, pictures, verdict.largest_difference, verdict.why
