"""`lfsgan evaluate`: how near pictures are to real ones, how varied, and whether anything was copied or forgotten."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lfsgan_cli.commands import options as given
from lfsgan_cli.commands.console import print_json, progress, say, table, warn
from lfsgan_cli.commands.generate import NoiseChoice, Strength, Truncation
from lfsgan_cli.commands.options import DEFAULT_WORKSPACE, Device, DryRun, Json, Weights, WorkspaceDir, check_pictures

if TYPE_CHECKING:
    from lfsgan_cli.evaluation.evaluate import Measurement, Measuring, Wanted
    from lfsgan_cli.evaluation.features import FeatureExtractors
    from lfsgan_cli.evaluation.image_sets import ImageSet, WorkspaceSets
    from lfsgan_cli.evaluation.retention import Verdict


COPIES = (
    "the real pictures are the very few that each task learned from: the number says how near the pictures are "
    "to those, a copy of them would be best, and no other program's number compares; give the domain with --reals"
)


def evaluate(
    task: given.Tasks = None,
    fid: given.Fid = False,
    kid: given.Kid = False,
    prdc: given.Prdc = False,
    lpips: given.Lpips = False,
    memorization: given.Memorization = False,
    everything: given.Everything = False,
    retention: given.Retention = False,
    reals: given.RealPictures = None,
    shots: given.FewShots = None,
    fakes: given.Fakes = None,
    count: given.Count = 2000,
    blocks: given.Blocks = 1,
    with_base: given.WithBase = False,
    save: given.Save = None,
    features: given.Features = "auto",
    fid_mode: given.FidMode = "clean",
    lpips_features: given.LpipsFeatures = "auto",
    inception_weights: given.InceptionWeights = None,
    vgg_weights: given.VggWeights = None,
    offline: given.Offline = False,
    truncation: Truncation = 1.0,
    strength: Strength = 1.0,
    noise: NoiseChoice = "seed",
    batch: given.Batch = 50,
    workspace: WorkspaceDir = DEFAULT_WORKSPACE,
    device: Device = "auto",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure the quality of generated images.

    Quality and coverage (FID, KID, PRDC), diversity (LPIPS), near-duplicates of training images, and whether tasks have
    changed since they were learned. Choose metrics by their options, or --all.
    """
    chosen = {"fid": fid, "kid": kid, "prdc": prdc, "lpips": lpips, "memorization": memorization}
    wanted = _Chosen({name for name, on in chosen.items() if on or everything}, blocks)
    if retention and not wanted.names:
        prove(workspace, task, device, dry_run=dry_run, as_json=as_json)
        return
    _refuse_contradictions(wanted, count, fakes=fakes, task=task, with_base=with_base)
    if with_base and reals is None:
        raise typer.BadParameter("the base has no few shots of its own; give --reals", param_hint="--with-base")
    from lfsgan_cli.system.device import pick

    where = pick(device)
    if fakes is not None:
        subjects = _foreign(fakes, shots)
    else:
        from lfsgan_cli.evaluation.image_sets import WorkspaceSets
        from lfsgan_cli.generation.sampling import SamplingOptions
        from lfsgan_cli.workspace.workspace import check_workspace

        style = SamplingOptions(truncation, noise, strength)
        gallery = WorkspaceSets(check_workspace(workspace), count, style, where, shots, save)
        subjects = _subjects(gallery, task, with_base=with_base)
    weights = Weights(features, fid_mode, inception_weights, lpips_features, vgg_weights, offline)
    eye, words = weights.eye(where, perceptual=wanted.perceptual)
    job = _job(subjects, reals, wanted, eye, batch)
    _check(job, {path for path in (reals, shots, fakes) if path is not None})
    say(words)
    if reals is None and wanted.compares:
        warn(COPIES)
    if dry_run:
        _tell_plan(job, as_json=as_json)
    else:
        _tell(_measure(job), as_json=as_json)
    if retention:
        prove(workspace, task, device, dry_run=dry_run, as_json=False)


@dataclass(frozen=True)
class _Chosen:
    """Which metrics, by the names of their options."""

    names: set[str]
    blocks: int

    @property
    def compares(self) -> bool:
        """Whether sets are compared with real ones."""
        return bool(self.names & {"fid", "kid", "prdc"})

    @property
    def perceptual(self) -> bool:
        """Whether pictures are compared with the shots one by one."""
        return bool(self.names & {"lpips", "memorization"})

    def wanted(self) -> "Wanted":
        """As the job takes it."""
        from lfsgan_cli.evaluation.evaluate import Wanted
        from lfsgan_cli.evaluation.registry import COMPARISONS

        comparisons = [name for name in COMPARISONS if name in self.names]
        return Wanted(comparisons, "lpips" in self.names, "memorization" in self.names, self.blocks)


def _refuse_contradictions(
    chosen: _Chosen, count: int, *, fakes: Path | None, task: list[str] | None, with_base: bool
) -> None:
    if not chosen.names:
        raise typer.BadParameter(
            "say what to measure: --fid, --kid, --prdc, --lpips, --memorization, --all or --retention",
            param_hint="--fid",
        )
    if fakes is not None and (task or with_base):
        raise typer.BadParameter("give either --fakes, or --task and --with-base", param_hint="--fakes")
    if fakes is None and count % chosen.blocks:
        raise typer.BadParameter(
            f"{count} pictures do not make {chosen.blocks} equal blocks; give a multiple with -n", param_hint="--blocks"
        )


def _subjects(gallery: "WorkspaceSets", task: list[str] | None, *, with_base: bool) -> "list[ImageSet]":
    from lfsgan_cli.evaluation.image_sets import NoTaskError
    from lfsgan_cli.workspace.paths import task_names

    root = gallery.workspace.root
    names = list(dict.fromkeys(task)) if task else task_names(root)
    if not names and not with_base:
        raise NoTaskError(root)
    return [*([gallery.base()] if with_base else []), *map(gallery.task, names)]


def _foreign(fakes: Path, shots: Path | None) -> "list[ImageSet]":
    from lfsgan_cli.evaluation.image_sets import foreign

    return [foreign(fakes, shots)]


def _job(
    subjects: "list[ImageSet]", reals: Path | None, chosen: _Chosen, eye: "FeatureExtractors", batch: int
) -> "Measuring":
    from lfsgan_cli.evaluation.evaluate import Measuring
    from lfsgan_cli.evaluation.image_sets import found

    known = None if reals is None else found(reals, subjects[0].resolution)
    return Measuring(subjects, known, chosen.wanted(), eye, batch)


def _check(job: "Measuring", paths: "set[Path]") -> None:
    from lfsgan_cli.images.source import open_source

    job.check()
    for path in sorted(paths):
        check_pictures(open_source(path))


def _measure(job: "Measuring") -> "list[Measurement]":
    with progress("Looking at pictures", job.pictures(), unit="pictures") as advance:
        return list(job.run(advance))


def _tell_plan(job: "Measuring", *, as_json: bool) -> None:
    if as_json:
        names = [subject.title for subject in job.subjects]
        print_json({
            "tasks": names, "extractor": job.eye.extractor.name, "n": job.subjects[0].count,
            "pictures": job.pictures(),
        })  # fmt: skip
    else:
        say(f"Would look at {job.pictures():,} pictures.")


def _tell(measured: "list[Measurement]", *, as_json: bool) -> None:
    for warning in dict.fromkeys(text for one in measured for text in one.value.warnings):
        warn(warning)
    if as_json:
        print_json({"results": [one.to_json() for one in measured]})
    else:
        table(("task", "metric", "value"), [(one.task, one.value.name, _number(one)) for one in measured])


def _number(measured: "Measurement") -> str:
    value = measured.value
    digits = 2 if value.metric == "fid" else 4
    error = "" if value.error is None else f" ± {value.error:.{digits}f}"
    return f"{value.value:.{digits}f}{error}"


# `lfsgan evaluate --retention`: the proof that no task was forgotten.


def prove(workspace: Path, task: list[str] | None, device: str, *, dry_run: bool, as_json: bool) -> None:
    """Compare tasks with what was recorded of them; exit code 1 where one is not what it was."""
    from lfsgan_cli.evaluation import retention
    from lfsgan_cli.evaluation.image_sets import NoTaskError
    from lfsgan_cli.system.device import pick
    from lfsgan_cli.workspace.workspace import check_workspace

    place, where = check_workspace(workspace), pick(device)
    names = list(dict.fromkeys(task)) if task else retention.names(place)
    if not names:
        raise NoTaskError(place.root)
    if dry_run:
        say(f"Would compare {', '.join(names)} with what was recorded.")
        return
    verdicts = retention.check_all(place, names, where)
    if as_json:
        print_json({"tasks": {name: verdict.to_json() for name, verdict in verdicts.items()}})
    else:
        table(("task", "retained", "pictures", "difference", "why"), [_row(*item) for item in verdicts.items()])
    if not all(verdict.retained for verdict in verdicts.values()):
        raise typer.Exit(1)


def _row(name: str, verdict: "Verdict") -> tuple[str, str, str, int, str]:
    kept = "yes" if verdict.retained else "NO"
    pictures = f"{verdict.pictures}, {verdict.compared} compared"
    return name, kept, pictures, verdict.largest_difference, verdict.why
