"""`lfsgan evaluate`: quality, coverage, diversity and memorization of generated images, and the check of retention."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lfsgan_cli.commands.config import keep_config
from lfsgan_cli.commands.console import print_json, progress, say, table, warn
from lfsgan_cli.commands.help import INPUT, METRICS, OUTPUT
from lfsgan_cli.commands.options import (
    DEFAULT_WORKSPACE,
    AnyWorkspace,
    Batch,
    Device,
    DryRun,
    InceptionWeights,
    Jobs,
    Json,
    NoiseChoice,
    Offline,
    Strength,
    Truncation,
    VggWeights,
    check_images,
    examine_images,
    open_for_sampling,
    refuse_jobs,
    task_names,
    tell_images,
)
from lfsgan_cli.evaluation.registry import Metric, metrics, quantity
from lfsgan_cli.options import MOST
from lfsgan_cli.system.device import launched
from lfsgan_cli.workspace.paths import RESERVED, is_remote

if TYPE_CHECKING:
    from lfsgan_cli.evaluation.evaluate import Evaluation, Measurement, NotMeasured
    from lfsgan_cli.evaluation.image_sets import ImageSet
    from lfsgan_cli.evaluation.retention import Verdict
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
Side = Annotated[
    int | None,
    typer.Option(
        "--side", min=8, max=4096, rich_help_panel=INPUT,
        help="Resize the images of --fakes to this side.  [default: their own, equal for all]",
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
    ctx: typer.Context,
    everything: Everything = False,
    retention: Retention = False,
    task: Tasks = None,
    reals: Reals = None,
    shots: FewShots = None,
    fakes: Fakes = None,
    side: Side = None,
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
    jobs: Jobs = 1,
    workspace: AnyWorkspace = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
    **chosen: Any,
) -> None:
    """Measure the quality of generated images.

    Quality and coverage (FID, KID, PRDC), diversity (LPIPS), near-duplicates of training images, and whether tasks have
    changed since they were learned. Choose metrics by their options, or --all. Started by torchrun, several processes
    or GPUs share the images.
    """
    refuse_jobs(jobs)
    wanted = [metric for key, metric in metrics().items() if chosen[key] or everything]
    if retention and not wanted:
        prove(workspace, task, device, dry_run=dry_run, as_json=as_json)
        return
    values = _metric_options(wanted, chosen)
    _refuse_contradictions(wanted, count, blocks, fakes=fakes, side=side, task=task, with_base=with_base, reals=reals)
    from lfsgan_cli.evaluation.evaluate import Evaluation
    from lfsgan_cli.evaluation.features import ExtractorSettings
    from lfsgan_cli.evaluation.image_sets import WorkspaceSets, compared_with, foreign
    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.system.distributed import joined
    from lfsgan_cli.workspace.remote import local_copy

    where = pick(device)
    ranks = ctx.with_resource(joined(where))
    if fakes is not None:
        sets = [foreign(fakes, shots, side, examine_images)]
    else:
        if is_remote(workspace):
            say("The workspace is remote: numbers are saved in its local copy only.")
        workspace = local_copy(workspace, say, task or [], every=not task)
        style = SamplingOptions(truncation, noise, strength)
        place = open_for_sampling(workspace, needs_task=bool(task) or not with_base)
        found = WorkspaceSets(place, count, style, where, shots, save)
        sets = found.chosen(task or [], with_base=with_base)
    weights = ExtractorSettings(features, fid_mode, inception_weights, lpips_features, vgg_weights, offline)
    extractors, words = weights.load(where, {need for metric in wanted for need in metric.needs})
    if reals is not None:
        sets = compared_with(sets, reals)
    evaluation = Evaluation(sets, None, wanted, extractors, batch, blocks, values, jobs, weights, ranks)
    evaluation.check()
    if not ranks.first:
        list(() if dry_run else evaluation.run(lambda _images: None))
        return
    inputs = _check_images(sets, reals, shots)
    _tell_limits(evaluation, words, few=reals is None)
    if dry_run:
        _tell_plan(evaluation, inputs, as_json=as_json)
    else:
        base_run = None if fakes else workspace / RESERVED
        _measure(evaluation, inputs, base_run, as_json=as_json)
        if save is not None:
            keep_config(ctx, save)
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
    side: int | None,
    task: list[str] | None,
    with_base: bool,
    reals: Path | None,
) -> None:
    if not wanted:
        flags = ", ".join(f"--{key}" for key in metrics())
        raise typer.BadParameter(f"no metric was chosen: pass {flags}, --all or --retention", param_hint="--fid")
    if side is not None and fakes is None:
        raise typer.BadParameter("belongs to --fakes; tasks are measured at the side of the base", param_hint="--side")
    if fakes is not None and (task or with_base):
        raise typer.BadParameter("pass either --fakes, or --task and --with-base", param_hint="--fakes")
    if fakes is None and count % blocks:
        raise typer.BadParameter(
            f"{count} images do not make {blocks} equal blocks; pass a multiple with -n", param_hint="--blocks"
        )
    if with_base and reals is None:
        raise typer.BadParameter("the base has no training images of its own; pass --reals", param_hint="--with-base")


def _check_images(sets: "Sequence[ImageSet]", reals: Path | None, shots: Path | None) -> "list[ImageSummary]":
    """Look at all real images and few shots before work starts; the summaries of these, and of `--fakes`."""
    from lfsgan_cli.images.dataset import ImageDataset
    from lfsgan_cli.images.source import open_source

    labels, one = {reals: "Real images", shots: "Training images"}, sets[0]
    checked = [one.summary] if one.summary else []
    if reals is not None or shots is not None:
        _tell_framing(sets)
    for summary in checked:
        tell_images(summary, label="Generated images")
    checked += [
        check_images(ImageDataset(open_source(path, "reference"), one.resolution, one.framing), label=label)
        for path, label in labels.items()
        if path is not None
    ]
    return checked


def _tell_framing(sets: "Sequence[ImageSet]") -> None:
    """Which real images are not cropped at the center, since training did otherwise."""
    titles: dict[str, list[str]] = {}
    for one in sets:
        options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in one.framing.changes().items())
        titles.setdefault(options, []).append(one.title)
    for options, named in titles.items():
        if options:
            say(f"Images are framed as in training, by {options}: {', '.join(named)}.")


def _tell_limits(evaluation: "Evaluation", words: str, *, few: bool) -> None:
    """What must be known before work starts. words: which networks are used. few: no `--reals`."""
    if words:
        say(words)
    wanted = [
        metric for metric in evaluation.metrics if "reals" in metric.needs and "training images" not in metric.needs
    ]
    if few and wanted:
        warn(NO_REALS)
    for one in evaluation.not_measured:
        _warn_not_measured(one)
    for folder, why in evaluation.not_saved.items():
        _warn_not_saved(folder, why)


def _warn_not_measured(one: "NotMeasured") -> None:
    warn(f"{one.metric} of {one.task} is not measured: {one.error}")


def _warn_not_saved(folder: Path, why: str) -> None:
    warn(f"numbers are printed but not saved in {str(folder)!r}: {why}")


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


def _measure(evaluation: "Evaluation", inputs: "list[ImageSummary]", base_run: Path | None, *, as_json: bool) -> None:
    from lfsgan_cli.evaluation.evaluate import Measurement, base_value
    from lfsgan_cli.images.summary import images_json

    measured: list[Measurement] = []
    missing, not_saved = list(evaluation.not_measured), set(evaluation.not_saved)
    with progress("Measuring", evaluation.images(), unit="images") as advance:
        for one in evaluation.run(advance):
            if isinstance(one, Measurement):
                measured.append(one)
            else:
                missing.append(one)
    for late in missing[len(evaluation.not_measured) :]:
        _warn_not_measured(late)
    for folder in evaluation.not_saved.keys() - not_saved:
        _warn_not_saved(folder, evaluation.not_saved[folder])
    for warning in dict.fromkeys(text for one in measured for text in one.value.warnings):
        warn(warning)
    if not measured:
        raise missing[0].error
    scaled = [known is not None and known.scaled for known in (quantity(one.value.metric) for one in measured)]
    bases = [
        base_value(one, base_run) if shown and base_run else None for one, shown in zip(measured, scaled, strict=True)
    ]
    if as_json:
        print_json({
            **images_json(inputs),
            "results": [
                {**one.to_json(), **({} if base is None else {"base_value": base})}
                for one, base in zip(measured, bases, strict=True)
            ],
            "not_measured": [one.to_json() for one in missing],
        })  # fmt: skip
    else:
        floors = [one.value.note.get("floor") if shown else None for one, shown in zip(measured, scaled, strict=True)]
        _print_table(measured, floors, bases)


def _print_table(measured: "list[Measurement]", floors: Sequence[float | None], bases: Sequence[float | None]) -> None:
    """The numbers, and beside each FID that of real images and of the base, where they are known."""
    rows = [[one.task, one.value.name, _number(one)] for one in measured]
    if not any(known is not None for known in (*floors, *bases)):
        table(("task", "metric", "value"), rows)
        return
    for row, one, floor, base in zip(rows, measured, floors, bases, strict=True):
        row += [_digits(one, floor), _digits(one, base)]
    table(("task", "metric", "value", "reals", "base"), rows)
    say(
        "FID is 0 for equal statistics. reals: between two halves of the real images, about the lowest that can be "
        "reached. base: of the base without a task, where it was measured (--with-base)."
    )


def _number(measured: "Measurement") -> str:
    value = measured.value
    error = "" if value.error is None else f" ± {_digits(measured, value.error)}"
    return f"{_digits(measured, value.value)}{error}"


def _digits(measured: "Measurement", number: float | None) -> str:
    if number is None:
        return ""
    known = quantity(measured.value.metric)
    digits = known.digits if known else 4
    return f"{round(number, digits) + 0.0:.{digits}f}"  # + 0.0 turns -0.0 into 0.0


# `lfsgan evaluate --retention`: the proof that no task was forgotten.


def prove(workspace: Path, task: list[str] | None, device: str, *, dry_run: bool, as_json: bool) -> None:
    """Compare tasks with what was recorded of them; exit code 1 where one is not what it was."""
    from lfsgan_cli.evaluation.image_sets import NoTaskError
    from lfsgan_cli.evaluation.retention import check_all, save_verdicts
    from lfsgan_cli.evaluation.retention import names as recorded_names
    from lfsgan_cli.io.files import FileWriteError
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.remote import local_copy
    from lfsgan_cli.workspace.workspace import check_workspace

    if (launch := launched()) is not None and launch.rank > 0:
        return
    place, where = check_workspace(local_copy(workspace, say, task or [], every=not task)), pick(device)
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
