"""lfsgan from Python: `open_workspace` returns a workspace whose methods do what the commands do."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.options import spell
from lfsgan_cli.workspace import manage, paths

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from lfsgan_cli.evaluation.evaluate import Measurement, NotMeasured
    from lfsgan_cli.evaluation.retention import Verdict
    from lfsgan_cli.generation.sampling import SamplingOptions
    from lfsgan_cli.training.loop import Step
    from lfsgan_cli.workspace.base_file import BaseSummary
    from lfsgan_cli.workspace.task_file import TaskSummary
    from lfsgan_cli.workspace.workspace import Workspace

PathLike = str | Path


class CallError(LfsganError):
    """Arguments that contradict each other, or that are missing."""


@dataclass(frozen=True)
class Progress:
    """How far a training run is, after a step. losses: name and value; reading them makes a GPU wait."""

    done: int
    total: int
    _losses: Mapping[str, Any]

    @property
    def losses(self) -> dict[str, float]:
        """The losses of the step."""
        return {name: float(loss) for name, loss in self._losses.items()}


class TrainingOptions(TypedDict, total=False):
    """Keyword arguments of `learn_task` and `pretrain`; what is left out is as in the commands."""

    batch: int
    lr: float
    seed: int
    mirror: bool
    fit: Literal["crop", "pad", "stretch"]
    crop_position: str
    precision: Literal["auto", "fp32", "bf16"]
    save_every: float
    keep_checkpoint: bool
    resume: bool
    overwrite: bool


class LearnOptions(TrainingOptions, total=False):
    """Keyword arguments of `learn_task`; what is left out is as in `lfsgan learn-task`.

    adapter_options, settings: as `-o` and `-t` take them, under the names of `lfsgan adapters NAME` and
    `lfsgan recipes`.
    """

    adapter: str
    adapter_options: Mapping[str, Any]
    recipe: Literal["default", "paper"]
    settings: Mapping[str, Any]
    init_from: str
    steps: int


class PretrainOptions(TrainingOptions, total=False):
    """Keyword arguments of `pretrain`; what is left out is as in `lfsgan pretrain`."""

    name: str
    resolution: int
    channels: int
    latent: int
    mapping_layers: int
    kimg: float
    r1_gamma: float
    path_weight: float
    feature_weight: float
    reconstruction_kimg: float
    reconstruction_weight: float
    decay: float
    init_from: PathLike


class SamplingArguments(TypedDict, total=False):
    """Keyword arguments that say how images are sampled; what is left out is as in `lfsgan generate`."""

    truncation: float
    strength: float
    noise: Literal["seed", "const", "none"]


class EvaluateOptions(SamplingArguments, total=False):
    """Keyword arguments of `evaluate`; what is left out is as in `lfsgan evaluate`."""

    reals: PathLike
    images: PathLike
    fakes: PathLike
    n: int
    blocks: int
    with_base: bool
    save: PathLike
    features: Literal["auto", "inception", "efficientnet-lite0"]
    fid_mode: Literal["clean", "legacy-pytorch"]
    lpips_features: Literal["auto", "vgg", "efficientnet-lite0"]
    inception_weights: PathLike
    vgg_weights: PathLike
    offline: bool
    batch: int


class OpenWorkspace:
    """A workspace: a base, and the tasks that were learned on it.

    Every method does what the command of its name does, and raises the same errors (`LfsganError`).
    """

    def __init__(self, root: Path, device: str) -> None:
        self.root, self.device = root, device

    def __repr__(self) -> str:
        return f"open_workspace({str(self.root)!r}, device={self.device!r})"

    def learn_task(
        self,
        name: str,
        images: PathLike | None = None,
        *,
        progress: Callable[[Progress], object] | None = None,
        **options: Unpack[LearnOptions],
    ) -> TaskSummary:
        """Learn a task from a folder or zip file of images; the summary of its file.

        images: may be left out with `resume=True`. progress: called after every step.
        """
        from lfsgan_cli.runs.session import result_of

        return result_of(self.iter_learn_task(name, images, **options), progress or _ignore)

    def iter_learn_task(
        self, name: str, images: PathLike | None = None, **options: Unpack[LearnOptions]
    ) -> Generator[Progress, None, TaskSummary]:
        """As `learn_task`, to iterate over: yields after every step.

        A loop that is left early keeps the last checkpoint: resume it with `resume=True`.
        """
        from lfsgan_cli.runs.learn_task import Learner, open_run
        from lfsgan_cli.runs.session import seen_as
        from lfsgan_cli.workspace.locks import hold_tasks
        from lfsgan_cli.workspace.task_file import TaskSummary

        how, resume, overwrite, save_every, keep = _split(options)
        pairs, settings = (
            [f"{key}={spell(value)}" for key, value in how.pop(name, {}).items()]
            for name in ("adapter_options", "settings")
        )
        if images is None and not resume:
            raise CallError(f"task {name!r} has no images to learn from: pass a folder or a zip file")
        with hold_tasks(self.root, name):
            run = open_run(
                self._place(), name, None if images is None else _path(images), how, pairs, settings,
                device=self._pick(), resume=resume, overwrite=overwrite,
            )  # fmt: skip
            if isinstance(run, TaskSummary):
                return run
            learner = Learner(run, self._pick())
            again = f"{self!r}.learn_task({name!r}, resume=True)"
            steps = learner.complete(save_every=save_every, resume_command=again, keep_checkpoint=keep)
            return (yield from seen_as(steps, _view(learner.total)))

    def pretrain(
        self,
        data: PathLike,
        *,
        progress: Callable[[Progress], object] | None = None,
        **options: Unpack[PretrainOptions],
    ) -> BaseSummary:
        """Train a base on a folder or zip file of images; the summary of its file.

        progress: called after every step.
        """
        from lfsgan_cli.runs.session import result_of

        return result_of(self.iter_pretrain(data, **options), progress or _ignore)

    def iter_pretrain(
        self, data: PathLike, **options: Unpack[PretrainOptions]
    ) -> Generator[Progress, None, BaseSummary]:
        """As `pretrain`, to iterate over: yields after every step; see `iter_learn_task`."""
        from lfsgan_cli.runs.pretrain import Pretrainer, open_run
        from lfsgan_cli.runs.session import seen_as
        from lfsgan_cli.workspace.base_file import BaseSummary
        from lfsgan_cli.workspace.locks import hold_base

        how, resume, overwrite, save_every, keep = _split(options)
        with hold_base(self.root):
            run = open_run(self._place(), _path(data), how, device=self._pick(), resume=resume, overwrite=overwrite)
            if isinstance(run, BaseSummary):
                return run
            trainer = Pretrainer(run, self._pick())
            again = f"{self!r}.pretrain({str(data)!r}, resume=True)"
            steps = trainer.complete(save_every=save_every, resume_command=again, keep_checkpoint=keep)
            return (yield from seen_as(steps, _view(trainer.total)))

    def generate(
        self, task: str | None, seeds: int | Iterable[int] = 16, **options: Unpack[SamplingArguments]
    ) -> list[Image]:
        """Images of a task, or of the base with None, in the order of the seeds.

        seeds: the seeds, or how many, from 0 on. The same seed always gives the same image.
        """
        return list(self.iter_generate(task, seeds, **options))

    def iter_generate(
        self, task: str | None, seeds: int | Iterable[int] = 16, **options: Unpack[SamplingArguments]
    ) -> Iterator[Image]:
        """As `generate`, but each image comes as soon as its batch is done."""
        from PIL import Image

        from lfsgan_cli.generation.sampling import generator_of, sample, usual_batch
        from lfsgan_cli.networks.inference import prepared

        place, device, how = self._place(there=task is not None), self._pick(), _sampling(options)
        plain = place.base.average.to(device) if task is None else generator_of(place, task, how, device)
        generator = prepared(plain, plain.w_mean.dtype)
        wanted = range(seeds) if isinstance(seeds, int) else list(seeds)
        for batch in sample(
            generator, wanted, truncation=how.truncation, noise=how.noise, batch=usual_batch(plain.config, device)
        ):
            yield from map(Image.fromarray, batch.permute(0, 2, 3, 1).contiguous().numpy())

    def evaluate(
        self,
        tasks: str | Sequence[str] = (),
        metrics: Sequence[str] = ("fid",),
        *,
        progress: Callable[[int], None] | None = None,
        **options: Unpack[EvaluateOptions],
    ) -> list[Measurement | NotMeasured]:
        """Measure tasks, all of them if none is named; each number, and each that could not be measured with its error.

        metrics: named as the flags of `lfsgan evaluate`. progress: told how many more images were processed.
        """
        return list(self.iter_evaluate(tasks, metrics, progress=progress, **options))

    def iter_evaluate(
        self,
        tasks: str | Sequence[str] = (),
        metrics: Sequence[str] = ("fid",),
        *,
        progress: Callable[[int], None] | None = None,
        **options: Unpack[EvaluateOptions],
    ) -> Iterator[Measurement | NotMeasured]:
        """As `evaluate`, but each number comes as soon as it is measured."""
        from lfsgan_cli.evaluation.evaluate import Evaluation
        from lfsgan_cli.evaluation.features import ExtractorSettings
        from lfsgan_cli.evaluation.image_sets import WorkspaceSets, foreign, stored_images
        from lfsgan_cli.evaluation.registry import metrics_named

        how: dict[str, Any] = {"n": 2000, "blocks": 1, "batch": 50, "with_base": False, **options}
        style = _sampling({key: how.pop(key) for key in SamplingArguments.__annotations__ if key in how})
        reals, images, fakes, save = (
            _path(how.pop(key)) if how.get(key) is not None else None for key in ("reals", "images", "fakes", "save")
        )
        n, blocks, batch, with_base = (how.pop(key) for key in ("n", "blocks", "batch", "with_base"))
        named = _named(tasks)
        if fakes is not None and (named or with_base):
            raise CallError("fakes is passed with tasks or with_base: pass either, since fakes are of no task")
        device, wanted = self._pick(), metrics_named(metrics)
        if fakes is not None:
            sets = [foreign(fakes, images)]
        else:
            sets = WorkspaceSets(self._place(there=True), n, style, device, images, save).chosen(
                named, with_base=with_base
            )
        how |= {key: _path(how[key]) for key in ("inception_weights", "vgg_weights") if key in how}
        needs = {need for metric in wanted for need in metric.needs}
        extractors, _ = ExtractorSettings(**how).load(device, needs)
        known = None if reals is None else stored_images(reals, sets[0].resolution)
        evaluation = Evaluation(sets, known, wanted, extractors, batch, blocks)
        evaluation.check()
        yield from evaluation.not_measured
        yield from evaluation.run(progress or (lambda _more: None))

    def check_retention(self, tasks: str | Sequence[str] = ()) -> dict[str, Verdict]:
        """Whether tasks, all of them if none is named, still generate what was recorded when they were learned."""
        from lfsgan_cli.evaluation import retention

        place = self._place(there=True)
        return retention.check_all(place, _named(tasks) or retention.names(place), self._pick())

    def tasks(self) -> dict[str, TaskSummary]:
        """The tasks by name. Only the headers of their files are read."""
        from lfsgan_cli.workspace.task_file import read_summary

        return {name: read_summary(paths.task_path(self.root, name)) for name in paths.task_names(self.root)}

    def task(self, name: str) -> TaskSummary:
        """How a task was learned."""
        from lfsgan_cli.workspace.task_file import read_summary

        return read_summary(paths.find_task(self.root, name))

    def rename_task(self, name: str, new: str) -> None:
        """Rename a task."""
        manage.rename(self.root, name, new)

    def remove_tasks(self, *names: str) -> None:
        """Remove tasks and their run folders."""
        manage.remove(self.root, list(names))

    def verify(self, *names: str) -> list[manage.Finding]:
        """Check that task files, all of them if none is named, and the base are undamaged."""
        return list(manage.verify(self.root, list(names) or None))

    def merge_task(self, name: str, file: PathLike, *, strength: float = 1.0, overwrite: bool = False) -> Path:
        """Merge a task into the base and write one StyleGAN2 checkpoint, .pt or .safetensors; its path."""
        from lfsgan_cli.checkpoints import convert

        out = _path(file)
        convert.check_out(out, overwrite=overwrite)
        convert.write(out, convert.task_document(self._place(there=True), name, strength))
        return out

    def import_task(
        self, file: PathLike, name: str, *, activation: bool = True, overwrite: bool = False
    ) -> TaskSummary:
        """Import a task file of the public LFS-GAN code. activation: whether it was trained with `--left_use_act`."""
        from lfsgan_cli.checkpoints.convert import finish_import, plan_task_import
        from lfsgan_cli.workspace.locks import hold_tasks

        with hold_tasks(self.root, name):
            job = plan_task_import(
                self._place(there=True), _path(file), name, activation=activation, overwrite=overwrite
            )
            finish_import(job, self._pick())
        return self.task(name)

    def export_task(self, name: str, file: PathLike, *, overwrite: bool = False) -> Path:
        """Write a task as a file of the public LFS-GAN code; its path."""
        from lfsgan_cli.checkpoints.convert import plan_task_export
        from lfsgan_cli.checkpoints.lfsgan import write

        out = _path(file)
        write(out, plan_task_export(self.root, name, out, overwrite=overwrite).tensors)
        return out

    def base(self) -> BaseSummary:
        """What the base is. Only the header of its file is read."""
        from lfsgan_cli.workspace.base_file import read_summary

        return read_summary(paths.base_path(self.root))

    def import_base(
        self, file: PathLike, *, part: Literal["g_ema", "g"] = "g_ema", name: str = "", overwrite: bool = False
    ) -> BaseSummary:
        """Import a StyleGAN2 checkpoint of rosinality or NVIDIA as the base."""
        from lfsgan_cli.checkpoints import convert
        from lfsgan_cli.workspace.locks import hold_base

        with hold_base(self.root):
            convert.plan_base_import(self._place(), _path(file), part=part, name=name, overwrite=overwrite).run()
        return self.base()

    def export_base(self, file: PathLike, *, overwrite: bool = False) -> Path:
        """Write the base as a StyleGAN2 checkpoint in rosinality's layout, .pt or .safetensors; its path."""
        from lfsgan_cli.checkpoints import convert

        out = _path(file)
        convert.check_out(out, overwrite=overwrite)
        convert.write(out, convert.base_document(self._place(there=True)))
        return out

    def _place(self, *, there: bool = False) -> Workspace:
        """The workspace, which must be `there` or not; read anew, since a base may have been put there."""
        from lfsgan_cli.workspace.workspace import check_workspace, workspace_at

        return check_workspace(self.root) if there else workspace_at(self.root)

    def _pick(self) -> torch.device:
        from lfsgan_cli.system.device import pick

        return pick(self.device)


def open_workspace(root: PathLike = "lfsgan_workspace", *, device: str = "auto") -> OpenWorkspace:
    """The workspace in a folder, which may be empty or missing: learning a task then puts the embedded base there.

    device: what everything runs on: auto, cpu, cuda, cuda:N or mps.
    """
    from lfsgan_cli.system.device import prepare

    prepare()
    return OpenWorkspace(_path(root), device)


def _view(total: int) -> Callable[[Step], Progress]:
    return lambda step: Progress(step.done, total, step.losses)


def _ignore(_progress: Progress) -> None:
    """Progress that nobody asked for."""


def _split(options: Mapping[str, Any]) -> tuple[dict[str, Any], bool, bool, float, bool]:
    """The settings of a training, `resume`, `overwrite`, `save_every` and `keep_checkpoint`."""
    how = {"resume": False, "overwrite": False, "save_every": 120.0, "keep_checkpoint": True, **options}
    if how["resume"] and how["overwrite"]:
        raise CallError("resume and overwrite are both true: pass one of them, since they contradict each other")
    return how, how.pop("resume"), how.pop("overwrite"), how.pop("save_every"), how.pop("keep_checkpoint")


def _sampling(options: Mapping[str, Any]) -> SamplingOptions:
    from lfsgan_cli.generation.sampling import SamplingOptions

    return SamplingOptions(**{"truncation": 1.0, "noise": "seed", "strength": 1.0, **options})


def _named(tasks: str | Sequence[str]) -> list[str]:
    return [tasks] if isinstance(tasks, str) else list(tasks)


def _path(path: PathLike) -> Path:
    return Path(path).expanduser()
