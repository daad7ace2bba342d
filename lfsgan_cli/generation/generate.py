"""Sampling tasks into a folder: one PNG for each task and seed, and a labelled grid of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError, quoted
from lfsgan_cli.generation import shards
from lfsgan_cli.generation.output import (
    MAX_IMAGES,
    Block,
    Pixels,
    check_folder,
    check_ours,
    labelled,
    make_room,
    read_pixels,
    save,
    to_arrays,
    wrapped,
    written,
)
from lfsgan_cli.generation.postprocess import Postprocess, is_plain
from lfsgan_cli.generation.sampling import (
    Latents,
    SamplingOptions,
    generator_of,
    noise_maps,
    sample,
    synthesize,
    usual_batch,
)
from lfsgan_cli.images.formats import GRID
from lfsgan_cli.io.safetensors import file_hash
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.networks.inference import Choice, compiled, is_worth_it, prepared
from lfsgan_cli.system.device import Precision, dtype_of
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.system.machine import keep_freed
from lfsgan_cli.workspace.blend import LayerStrength, parse_strength
from lfsgan_cli.workspace.paths import find_task, task_names
from lfsgan_cli.workspace.workspace import Workspace

BASE = "base"  # the folder of the base's images; no task can have that name
GRID_FILE = "grid.png"


@dataclass(frozen=True)
class Compute:
    """How images are computed. compile: see `lfsgan_cli.networks.inference`."""

    device: torch.device
    batch: int
    precision: Precision = "fp32"
    compile: bool = False

    def agreed(self, ranks: Ranks) -> Compute:
        """With the smallest batch of all ranks, since GPUs may differ in free memory."""
        return replace(self, batch=-ranks.highest(-self.batch))


@dataclass(frozen=True)
class Variant:
    """One task (None for the base) with its options; its images go into `folder`, below the output folder."""

    task: str | None
    options: SamplingOptions
    folder: Path

    @property
    def title(self) -> str:
        """As labels and notes name it."""
        return self.task or BASE


@dataclass(frozen=True)
class Axes:
    """An X/Y grid: the labels of columns and rows; without rows, every seed is a row. note: what the axes set."""

    columns: Sequence[str]
    rows: Sequence[str]
    note: dict[str, Any]


def variant(workspace: Workspace, task: str | None, options: SamplingOptions, below: Path) -> Variant:
    """A task, blend or the base with options, in a folder of its name and `below` that; raises as `Workspace.blend`.

    LayersError for a strength of layers that the base lacks.
    """
    if isinstance(options.strength, LayerStrength):
        options.strength.table(workspace.base.average.config)
    if task is None:
        return Variant(None, options.of_base, Path(BASE) / below)
    blend = workspace.blend(task)
    return Variant(blend.title, options, Path(blend.folder) / below)


@dataclass
class GenerateJob:
    """All images of one command. Everything is checked before anything is sampled or written (`check`).

    items: seeds, or latents from a file. axes: the arrangement of an X/Y grid; None gives one row a variant.
    """

    workspace: Workspace
    variants: Sequence[Variant]
    items: Sequence[int] | Latents
    outdir: Path
    postprocess: Postprocess = field(default_factory=Postprocess)
    axes: Axes | None = None
    not_plain: int = 0  # images whose background was to be cut out, and that have none of one colour
    _made: tuple[Variant, Generator] | None = field(default=None, repr=False)  # the last one

    @property
    def grid(self) -> Path:
        """The file with all images."""
        return self.outdir / GRID_FILE

    def paths(self) -> list[Path]:
        """The files of all images, in the order in which they are sampled."""
        return [self.outdir / one.folder / name for one in self.variants for name in self._names]

    def check(self, compute: Compute, *, overwrite: bool, dry_run: bool = False) -> None:
        """Make the folders; ForeignFileError, NotAFolderError, OtherSettingsError or StrengthError before anything."""
        folders = {self.outdir / one.folder: one for one in self.variants}
        for folder in folders:
            check_folder(folder)
        check_ours([*self.paths(), self.grid])
        notes = {folder: self._note(one, None, compute) for folder, one in folders.items()}
        make_room({**notes, self.outdir: self._grid_note(compute)}, overwrite=overwrite, dry_run=dry_run)

    def compute(self, device: torch.device, batch: int | None, precision: Precision, choice: Choice) -> Compute:
        """How to compute all of it; None is what suits the device. NoCompilerError as `is_worth_it`."""
        config = self.workspace.base.average.config
        worth = is_worth_it(choice, len(self.items), config.resolution, device)
        return Compute(device, batch or usual_batch(config, device), precision, worth)

    def run(self, compute: Compute, jobs: int = 1, ranks: Ranks = ALONE) -> Iterator[Path]:
        """Sample everything; yields each image's file once it is written, and the grid last.

        jobs: processes that share the batches; see `shards`. Ranks share them too: each one yields what it wrote, and
        the first one puts the grid together.
        """
        rows: list[list[Pixels]] = [[] for _ in self.variants]
        size = min(compute.batch, self.workspace.base.average.config.largest_batch)
        parts = [slice(None)] if jobs == ranks.count == 1 else shards.batches(len(self.items), size)
        units = [(index, part) for index in range(len(self.variants)) for part in parts]
        if jobs > 1:
            self._made = None
            for (index, part), missed in zip(units, shards.spread(_Process(self, compute), units, jobs), strict=True):
                self.not_plain += missed
                for name in self._names[part]:
                    path = self.outdir / self.variants[index].folder / name
                    rows[index] += [read_pixels(path)] if len(rows[index]) < self._shown else []
                    yield path
        else:
            for index, part in ranks.mine(units):
                for path, image in self.write(self.variants[index], compute, part):
                    rows[index] += [image] if len(rows[index]) < self._shown else []
                    yield path
        self.not_plain = ranks.total(self.not_plain)
        if ranks.count > 1 and ranks.first:
            names = self._names[: self._shown]
            rows = [[read_pixels(self.outdir / one.folder / name) for name in names] for one in self.variants]
        if ranks.first:
            save(self.grid, self._grid_of(rows), self._grid_note(compute), GRID)
        ranks.wait()
        yield self.grid

    def images(self, compute: Compute) -> Iterator[Pixels]:
        """All images in the order of `paths`, uint8 [H, W, 3 or 4]; nothing is written."""
        for one in self.variants:
            for batch in self._finished(one, compute):
                yield from batch

    def image_grid(self, compute: Compute) -> Pixels:
        """The grid alone, uint8 [H, W, 3]; nothing is written."""
        images = self.images(compute)
        rows = [list(islice(images, len(self.items)))[: self._shown] for _ in self.variants]
        return self._grid_of(rows)

    @property
    def _shown(self) -> int:
        """How many images of each variant are in the grid, at most."""
        return max(1, MAX_IMAGES // len(self.variants))

    def _grid_of(self, rows: list[list[Pixels]]) -> Pixels:
        return labelled(self._blocks(rows), self._heading(len(rows[0])))

    def write(self, one: Variant, compute: Compute, part: slice) -> Iterator[tuple[Path, Pixels]]:
        """Sample some of the images of a variant; yields each with its file once that is written."""
        names = iter(zip(self._names[part], self._keys[part], strict=True))

        def write(item: tuple[Pixels, str, int]) -> None:
            image, name, key = item
            save(self.outdir / one.folder / name, image, self._note(one, key, compute))

        named = ([(image, *next(names)) for image in batch] for batch in self._finished(one, compute, part))
        for image, name, _ in written(named, write):
            yield self.outdir / one.folder / name, image

    def _finished(self, one: Variant, compute: Compute, part: slice = slice(None)) -> Iterator[list[Pixels]]:
        """Batches of images with background and size as asked for."""
        keep_freed()
        for batch in self._batches(one, compute, part):
            images = to_arrays(batch)
            if self.postprocess.background == "transparent":
                self.not_plain += sum(not is_plain(image) for image in images)
            yield [self.postprocess(image) for image in images]

    def _batches(self, one: Variant, compute: Compute, part: slice) -> Iterator[Tensor]:
        if self._made is None or self._made[0] != one:
            self._made = None  # frees the one before
            self._made = one, self._generator(one, compute)
        generator = self._made[1]
        options, dtype = one.options, dtype_of(compute.precision, generator.w_mean.dtype)
        if not isinstance(self.items, Latents):
            return sample(
                generator, self.items[part], truncation=options.truncation, noise=options.noise,
                batch=compute.batch, dtype=dtype,
            )  # fmt: skip
        items = self.items.some(part)
        ws = generator.w_mean.lerp(items.w.to(generator.w_mean), options.truncation)
        noise = items.noise if options.noise == "seed" else None
        if options.noise == "none":
            noise = noise_maps("none", [], generator.config, torch.device("cpu"))
        return synthesize(generator, ws, noise, batch=compute.batch, dtype=dtype)

    def _generator(self, one: Variant, compute: Compute) -> Generator:
        workspace, device = self.workspace, compute.device
        if one.task is None:
            generator = workspace.base.average.to(device)
        else:
            generator = generator_of(workspace, one.task, one.options, device)
        if compute.compile:
            return compiled(generator, compute.batch)
        return prepared(generator, dtype_of(compute.precision, generator.w_mean.dtype))

    @cached_property
    def _keys(self) -> list[int]:
        return list(range(len(self.items))) if isinstance(self.items, Latents) else list(self.items)

    @cached_property
    def _names(self) -> list[str]:
        stem = "latent" if isinstance(self.items, Latents) else "seed"
        return [f"{stem}{key:04}.png" for key in self._keys]

    @cached_property
    def _hashes(self) -> dict[str, str]:
        """SHA-256 of each task's file."""
        blends = [self.workspace.blend(one.task) for one in self.variants if one.task is not None]
        tasks = sorted({task for blend in blends for task, _ in blend.parts})
        return {task: file_hash(find_task(self.workspace.root, task)) for task in tasks}

    def _note(self, one: Variant, key: int | None, compute: Compute) -> dict[str, Any]:
        tasks = [task for task, _ in self.workspace.blend(one.task).parts] if one.task else []
        hashes = {task: self._hashes[task] for task in tasks}
        return {
            "task": one.title, "seed": key, **({"file_sha256": hashes} if hashes else {}),
            **self._shared_note(compute), **one.options.note(),
        }  # fmt: skip

    def _grid_note(self, compute: Compute) -> dict[str, Any]:
        options = self.variants[-1].options.note() if self.axes is None else self.axes.note
        titles = list(dict.fromkeys(one.title for one in self.variants))
        return {
            "task": titles, "seed": self._keys, "file_sha256": self._hashes, **self._shared_note(compute), **options,
        }  # fmt: skip

    def _shared_note(self, compute: Compute) -> dict[str, Any]:
        precision = {} if compute.precision == "fp32" else {"precision": compute.precision}
        latents = {"latents_sha256": self.items.sha256} if isinstance(self.items, Latents) else {}
        return {"base": self.workspace.base.identity, **precision, **latents, **self.postprocess.note()}

    def _blocks(self, rows: list[list[Pixels]]) -> list[Block]:
        names = [name.removesuffix(".png") for name in self._names[: len(rows[0])]]
        labels = [name.replace("seed", "seed ").replace("latent", "latent ") for name in names]
        if self.axes is not None and not self.axes.rows:
            return [Block([[row[index] for row in rows] for index in range(len(labels))], self.axes.columns, labels)]
        if self.axes is not None:
            wide, high = len(self.axes.columns), len(self.axes.rows)
            places = [range(first, first + wide) for first in range(0, wide * high, wide)]
            return [
                Block(
                    [[rows[place][index] for place in line] for line in places],
                    self.axes.columns,
                    self.axes.rows,
                    label if len(labels) > 1 else "",
                )
                for index, label in enumerate(labels)
            ]
        if len(self.variants) == 1:
            return wrapped(rows[0], labels)
        return [Block(rows, labels, [one.title for one in self.variants])]

    def _heading(self, shown: int) -> str:
        """The grid's title: the task, the settings, and what is not shown."""
        options = self.variants[-1].options.note() if self.axes is None else self.axes.note
        words = [] if len(self.variants) > 1 else [self.variants[0].title]
        words += [f"{key} {value}" for key, value in {**options, **self.postprocess.note()}.items()]
        if len(self._keys) == 1:
            words.append(self._names[0].removesuffix(".png"))
        if shown < len(self._keys):
            words.append(f"the first {shown:,} of {len(self._keys):,}")
        return ", ".join(words)


@dataclass
class _Process:
    """One of the processes of `GenerateJob.run`."""

    job: GenerateJob
    compute: Compute

    def begin(self, worker: int) -> None:
        self.compute = replace(self.compute, device=shards.device_of(self.compute.device, worker))

    def run(self, unit: tuple[int, slice]) -> int:
        """Write a batch; how many backgrounds are not plain."""
        before = self.job.not_plain
        for _ in self.job.write(self.job.variants[unit[0]], self.compute, unit[1]):
            pass
        return self.job.not_plain - before


# X/Y grids: one or two settings take several values, and an image is sampled for every combination.


MAX_VALUES = 64
MAX_TRUNCATION = 2.0
NOISE = ("seed", "const", "none")
EXPECTED = "NAME=VALUES such as strength=0:1:0.25 (first:last:step), truncation=0.5,0.7,1, noise=seed,none or task=all"


class AxisError(LfsganError):
    """An axis of an X/Y grid that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"--grid {quoted(text)}: {reason}; expected {EXPECTED}")


@dataclass(frozen=True)
class Axis:
    """name: task, strength, truncation or noise. values: as the user wrote them."""

    name: str
    values: tuple[str, ...]

    def apply(self, value: str, task: str, options: SamplingOptions) -> tuple[str, SamplingOptions]:
        """The task and the options at one value."""
        match self.name:
            case "task":
                return value, options
            case "strength":
                return task, replace(options, strength=parse_strength(value))
            case "truncation":
                return task, replace(options, truncation=float(value))
            case _:
                return task, replace(options, noise=value)  # type: ignore[arg-type]  # checked by `parse_axis`


def parse_axis(text: str, workspace: Workspace) -> Axis:
    """`strength=0:1:0.25`, `truncation=0.5,0.7,1`, `noise=seed,none` or `task=all`; AxisError.

    Values that contain `=` (blends, strengths of layers) are separated by `;`.
    """
    name, _, listed = text.partition("=")
    checks: dict[str, Callable[[str], object]] = {
        "task": workspace.blend,
        "strength": parse_strength,
        "truncation": lambda value: _truncation(text, value),
        "noise": lambda value: _noise(text, value),
    }
    if name not in checks or not listed:
        raise AxisError(text, f"{quoted(name)} is not one of {', '.join(checks)}")
    if name == "task" and listed == "all":
        values = task_names(workspace.root)
    elif listed.count(":") == 2 and name in {"strength", "truncation"}:
        values = _steps(text, *listed.split(":"))
    else:
        values = [value.strip() for value in listed.split(";" if {";", "="} & set(listed) else ",")]
    if not values or len(values) > MAX_VALUES or len(set(values)) < len(values):
        raise AxisError(text, f"it has {len(values)} values; 1 to {MAX_VALUES} different ones are possible")
    for value in values:
        checks[name](value)
    return Axis(name, tuple(values))


def arrange(
    axes: Sequence[Axis], task: str | None, options: SamplingOptions, workspace: Workspace
) -> tuple[list[Variant], Axes]:
    """A variant for every combination, row by row: the first axis gives the columns, the second the rows.

    task: None where an axis names the tasks.
    """
    columns, *others = axes
    if len(axes) > 2 or len({axis.name for axis in axes}) < len(axes):
        raise AxisError(",".join(axis.name for axis in axes), "there are more than two axes, or two of one name")
    if task is None and all(axis.name != "task" for axis in axes):
        raise AxisError(columns.name, "it needs a task; name one, or add --grid task=all")
    rows = others[0] if others else None
    variants = []
    for y, x in product(rows.values if rows else [""], columns.values):
        named, chosen, folder = task or "", options, []
        for axis, value in ((rows, y), (columns, x)):
            if axis is not None:
                named, chosen = axis.apply(value, named, chosen)
                folder += [] if axis.name == "task" else [f"{axis.name}={value}"]
        variants.append(variant(workspace, named, chosen, Path(",".join(folder))))
    note: dict[str, Any] = {axis.name: list(axis.values) for axis in axes if axis.name != "task"}
    labels = [[f"{axis.name} {value}" for value in axis.values] if axis else [] for axis in (columns, rows)]
    return variants, Axes(labels[0], labels[1], {**options.note(), **note})


def _steps(text: str, *numbers: str) -> list[str]:
    try:
        first, last, step = map(float, numbers)
    except ValueError as error:
        raise AxisError(text, "first:last:step takes three numbers") from error
    if not all(map(math.isfinite, (first, last, step))) or step <= 0 or last < first:
        raise AxisError(text, "the step is not positive, or the last value is below the first")
    count = math.floor((last - first) / step + 1e-9) + 1
    if count > MAX_VALUES:
        raise AxisError(text, f"it has {count:,} values, and {MAX_VALUES} are the most")
    return [f"{first + index * step:.6g}" for index in range(count)]


def _truncation(text: str, value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MAX_TRUNCATION:
        raise AxisError(text, f"truncation {value!r} is not between 0 and {MAX_TRUNCATION:g}")


def _noise(text: str, value: str) -> None:
    if value not in NOISE:
        raise AxisError(text, f"noise {value!r} is not one of {', '.join(NOISE)}")
