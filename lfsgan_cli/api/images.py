"""Images from Python: samples, X/Y grids, style mixing, walks and projections, as PIL images or written to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

from lfsgan_cli.api.arguments import (
    CallError,
    Opened,
    PathLike,
    SamplingArguments,
    Strength,
    Task,
    path_of,
    sampling_options,
    strength_of,
    strength_text,
    task_text,
    tasks_text,
)

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from lfsgan_cli.generation.generate import Axes, Compute, GenerateJob, Variant
    from lfsgan_cli.generation.interpolation import Walk
    from lfsgan_cli.generation.mixing import MixingJob
    from lfsgan_cli.generation.output import Pixels
    from lfsgan_cli.generation.projection import Projection
    from lfsgan_cli.generation.sampling import Latents
    from lfsgan_cli.system.device import Precision
    from lfsgan_cli.workspace.workspace import Workspace

# The values of one axis or two, by "task", "strength", "truncation" or "noise"; "all" stands for all tasks.
GridAxes: TypeAlias = Mapping[str, Sequence[Any] | str]


class GenerateOptions(SamplingArguments, total=False):
    """Keyword arguments that say how images are sampled and finished; what is left out is as in `lfsgan generate`.

    latents: a `.npz` file or a projection's latents, instead of seeds.
    """

    latents: PathLike | Latents
    background: Literal["keep", "transparent"]
    size: int
    precision: Literal["auto", "fp32", "bf16"]
    compile: Literal["auto", "on", "off"]
    batch: int


class WalkOptions(SamplingArguments, total=False):
    """Keyword arguments of a walk; what is left out is as in `lfsgan interpolate`. grid: columns and rows."""

    latents: PathLike | Latents
    frames: int
    space: Literal["z", "w"]
    easing: Literal["linear", "smooth"]
    grid: tuple[int, int]
    batch: int


@dataclass(frozen=True)
class GeneratedFiles:
    """What `generate_files` wrote: the images in order, and the grid of them."""

    images: list[Path]
    grid: Path


@dataclass(frozen=True)
class StyleMix:
    """images: one list for each row. grid: the matrix with its margins, labelled."""

    images: list[list[Image]]
    grid: Image


@dataclass(frozen=True)
class Projected:
    """The latent that was found. latents: for `generate` and `interpolate`; `latents.write(path)` stores them.

    distance: perceptual, of `image` to `target`; between_samples: the median of that between random samples. outside:
    whether the target is outside what the generator can make. history: steps and images of the search.
    """

    image: Image
    target: Image
    latents: Latents
    distance: float
    between_samples: float
    outside: bool
    history: list[tuple[int, Image]]


class Images(Opened):
    """Everything that makes images."""

    def generate(
        self, task: Task | None, seeds: int | Iterable[int] = 16, **options: Unpack[GenerateOptions]
    ) -> list[Image]:
        """Images of a task, a blend, or the base with None, in the order of the seeds.

        seeds: the seeds, or how many, from 0 on. The same seed always gives the same image.
        """
        return list(self.iter_generate(task, seeds, **options))

    def iter_generate(
        self, task: Task | None, seeds: int | Iterable[int] = 16, **options: Unpack[GenerateOptions]
    ) -> Iterator[Image]:
        """As `generate`, but each image comes as soon as its batch is done."""
        from PIL import Image

        job = self._job([task], seeds, None, options)
        yield from map(Image.fromarray, job.images(self._compute(job, options)))

    def generate_files(
        self,
        tasks: Task | Sequence[Task],
        outdir: PathLike = "out",
        seeds: int | Iterable[int] = 16,
        *,
        with_base: bool = False,
        grid: GridAxes | None = None,
        overwrite: bool = False,
        jobs: int = 1,
        progress: Callable[[Path], object] | None = None,
        **options: Unpack[GenerateOptions],
    ) -> GeneratedFiles:
        """Write images of tasks and a labelled grid of them into a folder, as `lfsgan generate` does.

        grid: the axes of an X/Y grid, such as `{"strength": [0, 0.5, 1]}`. jobs: processes that
        share the work; a script that asks for more than one does so below `if __name__ == "__main__":`, as Python
        requires. progress: called with each written file.
        A folder never holds images of two settings: pass `overwrite` to remove those that lfsgan wrote there. Processes
        that torchrun started share the images.
        """
        from lfsgan_cli.system.distributed import joined

        named: list[Task | None] = [None] if with_base else []
        job = self._job([*named, *tasks_text(tasks)], seeds, grid, options, path_of(outdir))
        with joined(self._pick()) as ranks:
            compute = self._compute(job, options).agreed(ranks)
            if ranks.first:
                job.check(compute, overwrite=overwrite)
            ranks.wait()
            for path in job.run(compute, jobs, ranks):
                if progress is not None:
                    progress(path)
        return GeneratedFiles(job.paths(), job.grid)

    def image_grid(
        self, task: Task | None, axes: GridAxes, seeds: int | Iterable[int] = 1, **options: Unpack[GenerateOptions]
    ) -> Image:
        """An X/Y grid as one labelled image: a column for each value of the first axis, a row for each of the second.

        task: None where one of the axes is "task". With one axis, every seed is a row.
        """
        from PIL import Image

        job = self._job([] if task is None else [task], seeds, axes, options)
        return Image.fromarray(job.image_grid(self._compute(job, options)))

    def style_mix(
        self,
        task: Task | None,
        rows: Sequence[int],
        columns: Sequence[int],
        layers: str = "coarse",
        **options: Unpack[GenerateOptions],
    ) -> StyleMix:
        """A matrix of images that take the named layers from the column's seed, and the rest from the row's.

        task: None is the base. layers: coarse, middle, fine, or sides in pixels such as 4-16.
        """
        from PIL import Image

        job = self._mixing(task, rows, columns, layers, options, Path())
        images = list(job.images(self._compute(job, options)))
        matrix = list(map(Image.fromarray, images[len(images) - len(job.rows) * len(job.columns) :]))
        wide = len(job.columns)
        listed = [matrix[first : first + wide] for first in range(0, len(matrix), wide)]
        return StyleMix(listed, Image.fromarray(job.image_grid(images)))

    def style_mix_files(
        self,
        task: Task | None,
        rows: Sequence[int],
        columns: Sequence[int],
        layers: str = "coarse",
        outdir: PathLike = "out/style-mix",
        *,
        overwrite: bool = False,
        **options: Unpack[GenerateOptions],
    ) -> GeneratedFiles:
        """Write the images of `style_mix` and their matrix into a folder, as `lfsgan style-mix` does."""
        job = self._mixing(task, rows, columns, layers, options, path_of(outdir))
        compute = self._compute(job, options)
        job.check(compute, overwrite=overwrite)
        for _ in job.run(compute):
            pass
        return GeneratedFiles(job.paths(), job.grid)

    def interpolate(
        self,
        tasks: Task | Sequence[Task | None] | None,
        out: PathLike = "walk.webp",
        seeds: Iterable[int] = range(8),
        *,
        fps: int = 24,
        overwrite: bool = False,
        **options: Unpack[WalkOptions],
    ) -> Path:
        """Write an animation, a closed loop: through the seeds, or from task to task; its path.

        out: a .webp, .gif, .png or .mp4 file, or a folder for frames. tasks: None is the base.
        """
        from lfsgan_cli.generation.animation import check_animation, write_animation

        walk, path = self._walk(tasks, seeds, options), path_of(out)
        check_animation(path, walk.note(), overwrite=overwrite)
        write_animation(path, self._frames(walk, options), len(walk), fps, walk.note())
        return path

    def iter_frames(
        self,
        tasks: Task | Sequence[Task | None] | None,
        seeds: Iterable[int] = range(8),
        **options: Unpack[WalkOptions],
    ) -> Iterator[Image]:
        """The frames of `interpolate`, one after another."""
        from PIL import Image

        yield from map(Image.fromarray, self._frames(self._walk(tasks, seeds, options), options))

    def project(
        self,
        image: PathLike,
        task: Task | None = None,
        *,
        space: Literal["w", "w+"] = "w+",
        steps: int = 600,
        seed: int = 0,
        strength: Strength = 1.0,
        outdir: PathLike | None = None,
        overwrite: bool = False,
        progress: Callable[[int], object] | None = None,
    ) -> Projected:
        """Find the latent whose image comes closest to a picture, in a task, a blend, or the base with None.

        outdir: also write what `lfsgan project` writes. progress: called after each step with the steps done.
        """
        from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0
        from lfsgan_cli.evaluation.extractors.perceptual import embed
        from lfsgan_cli.generation.projection import EMBEDDING_SIZE, Projection, plan_projection

        named, device = None if task is None else task_text(task), self._pick()
        place = self._place(there=task is not None, root=self._folder([named] if named else []))
        job = plan_projection(place, path_of(image), named, space, steps, seed, strength_of(strength), device)
        folder = None if outdir is None else path_of(outdir)
        if folder is not None:
            job.check(folder, overwrite=overwrite)
        network = EfficientNetLite0(EMBEDDING_SIZE).to(device)
        for found in job.run(lambda images: embed(network, images)):
            if isinstance(found, Projection):
                if folder is not None:
                    job.save(found, folder)
                return _projected(found)
            if progress is not None and found:
                progress(found)
        raise AssertionError("a projection ends with its result")

    def _job(
        self,
        tasks: Sequence[Task | None],
        seeds: int | Iterable[int],
        grid: GridAxes | None,
        options: GenerateOptions,
        outdir: Path = Path(),
    ) -> GenerateJob:
        from lfsgan_cli.generation.generate import GenerateJob
        from lfsgan_cli.generation.postprocess import Postprocess

        named, axis = [task_text(task) for task in tasks if task is not None], (grid or {}).get("task", ())
        root = self._folder(None if axis == "all" else [*named, *tasks_text(axis or [])])
        place = self._place(there=grid is not None or bool(named), root=root)
        variants, axes = self._variants(place, tasks, grid, options)
        postprocess = Postprocess(options.get("background", "keep"), options.get("size"))
        return GenerateJob(place, variants, self._items(place, seeds, options), outdir, postprocess, axes)

    def _variants(
        self, place: Workspace, tasks: Sequence[Task | None], grid: GridAxes | None, options: GenerateOptions
    ) -> tuple[list[Variant], Axes | None]:
        from lfsgan_cli.generation.generate import arrange, parse_axis, variant

        how, named = sampling_options(options), [None if task is None else task_text(task) for task in tasks]
        if grid is None:
            return [variant(place, task, how, Path()) for task in named], None
        if len(named) > 1 or None in named or (named and "task" in grid):
            raise CallError("an X/Y grid takes one task: compare tasks with the axis 'task'")
        axes = [parse_axis(_axis_text(name, values), place) for name, values in grid.items()]
        return arrange(axes, named[0] if named else None, how, place)

    def _items(
        self, place: Workspace, seeds: int | Iterable[int], options: GenerateOptions | WalkOptions
    ) -> list[int] | Latents:
        from lfsgan_cli.generation.sampling import read_latents

        latents = options.get("latents")
        if latents is None:
            return list(range(seeds) if isinstance(seeds, int) else seeds)
        if isinstance(latents, str | Path):
            return read_latents(path_of(latents), place.base.average.config)
        return latents

    def _compute(self, job: GenerateJob | MixingJob, options: GenerateOptions) -> Compute:
        from lfsgan_cli.generation.generate import GenerateJob

        device, batch = self._pick(), options.get("batch")
        precision: Precision = "bf16" if options.get("precision") == "bf16" else "fp32"
        if isinstance(job, GenerateJob):
            return job.compute(device, batch, precision, options.get("compile", "auto"))
        return job.compute(device, batch, precision)

    def _mixing(
        self,
        task: Task | None,
        rows: Sequence[int],
        columns: Sequence[int],
        layers: str,
        options: GenerateOptions,
        outdir: Path,
    ) -> MixingJob:
        from lfsgan_cli.generation.mixing import MixingJob

        if foreign := sorted({"latents", "background", "size", "compile"} & options.keys()):
            raise CallError(f"style mixing does not take {', '.join(foreign)}: leave it out")
        named = None if task is None else task_text(task)
        place = self._place(there=task is not None, root=self._folder([named] if named else []))
        return MixingJob(place, named, list(rows), list(columns), layers, sampling_options(options), outdir)

    def _walk(self, tasks: Task | Sequence[Task | None] | None, seeds: Iterable[int], options: WalkOptions) -> Walk:
        from lfsgan_cli.generation.interpolation import Walk, usual_grid

        listed = [tasks] if tasks is None or isinstance(tasks, str | Mapping) else list(tasks)
        texts = [task_text(task) for task in listed if task is not None]
        place = self._place(there=bool(texts), root=self._folder(texts))
        named = [None if task is None else place.blend(task_text(task)).title for task in listed]
        items = self._items(place, list(seeds), options)
        columns, rows = options.get("grid") or usual_grid(len(items) if len(named) > 1 else 1)
        return Walk(
            place, named, items, sampling_options(options, noise="const"), options.get("frames", 24),
            options.get("space", "w"), options.get("easing", "linear"), columns, rows,
        )  # fmt: skip

    def _frames(self, walk: Walk, options: WalkOptions) -> Iterator[Pixels]:
        from lfsgan_cli.generation.sampling import usual_batch

        device = self._pick()
        return walk.images(device, options.get("batch") or usual_batch(walk.workspace.base.average.config, device))


def _axis_text(name: str, values: Sequence[Any] | str) -> str:
    """An axis as `--grid` takes it."""
    if isinstance(values, str):
        return f"{name}={values}"
    spell = {"task": task_text, "strength": strength_text}.get(name, str)
    return f"{name}={';'.join(map(spell, values))}"


def _projected(found: Projection) -> Projected:
    from PIL import Image

    from lfsgan_cli.generation.output import to_arrays

    def image(tensor: torch.Tensor) -> Image.Image:
        return Image.fromarray(to_arrays(tensor)[0])

    history = [(step, image(seen)) for step, seen in found.history]
    return Projected(
        image(found.image), image(found.target), found.latents, found.distance, found.between_samples, found.outside,
        history,
    )  # fmt: skip
