"""A benchmark's suite: what its TOML file asks for, checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from lfsgan_cli import seeds
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.files import TaskNameError, check_name
from lfsgan_cli.jobs.recipes import Way, spelled, way_of
from lfsgan_cli.jobs.suitefile import exists, read_toml
from lfsgan_cli.jobs.tomltable import Table
from lfsgan_cli.metrics.features import Mode as FidMode
from lfsgan_cli.metrics.features import Name as Features
from lfsgan_cli.metrics.judges import Name as LpipsFeatures
from lfsgan_cli.report.benchmark_reading import SUITE
from lfsgan_cli.report.runs import RUNS
from lfsgan_cli.taskfolder import stands_for
from lfsgan_cli.training.recipes import DEFAULT
from lfsgan_cli.wording import choices, quoted
from lfsgan_cli.workspace import EMBEDDED

Metric: TypeAlias = Literal["fid", "kid", "prdc", "lpips", "memorisation"]

METRICS: tuple[Metric, ...] = get_args(Metric)
COUNT = 2000  # pictures drawn for a measurement

_SUITE = ("name", "base", "count", "seeds", "metrics", "features", "fid_mode", "lpips_features")
_TASK = ("name", "shots", "reals")
_METHOD = ("name", "recipe", "adapter", "options", "sequential", "training")


class UnknownMethodError(LfsganError):
    """A method that the suite does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"the suite has no method {name!r}; it has: {choices(known, name)}")


@dataclass(frozen=True)
class Domain:
    """One task: its name, the few shots it is learned from, and the real pictures it is compared with."""

    name: str
    shots: Path
    reals: Path


@dataclass(frozen=True)
class Method:
    """One way to learn all tasks.

    sequential: there is one network only, and each task starts where the one before it ended.
    """

    name: str
    way: Way
    sequential: bool

    def passes(self, shorter: Method) -> bool:
        """Whether learning a task by the shorter method is the beginning of learning it by this one."""
        return self.way.passes(shorter.way) and not (self.sequential or shorter.sequential)


@dataclass(frozen=True)
class Suite:
    """What is to be run. base: a file, or None for the embedded one; content: the suite's own bytes."""

    name: str
    base: Path | None
    count: int
    seeds: tuple[int, ...]
    metrics: tuple[Metric, ...]
    features: Features
    fid_mode: FidMode
    lpips_features: LpipsFeatures
    tasks: tuple[Domain, ...]
    methods: tuple[Method, ...]
    content: bytes

    @property
    def settings(self) -> dict[str, Any]:
        """What all numbers of a suite share, as JSON."""
        chosen = {"features": self.features, "fid_mode": self.fid_mode, "lpips_features": self.lpips_features}
        return {"count": self.count, "metrics": sorted(self.metrics), **chosen}

    @property
    def perceptual(self) -> bool:
        """Whether pictures are compared with the shots one by one."""
        return bool({"lpips", "memorisation"} & set(self.metrics))

    def some(self, names: Sequence[str]) -> tuple[Method, ...]:
        """The methods of these names, in the suite's order; all of them for no name. UnknownMethodError."""
        known = [method.name for method in self.methods]
        for name in names:
            if name not in known:
                raise UnknownMethodError(name, known)
        return tuple(method for method in self.methods if not names or method.name in names)


def read_suite(path: Path, data: Path | None) -> Suite:
    """The suite in a file. data: where its paths are; its own folder if None.

    Raises NoSuiteError, and SuiteError for whatever in it cannot be run: both in one line.
    """
    content, values = read_toml(path)
    document = Table(path, "the suite", values, ("suite", "task", "method"))
    settings = Table(path, "[suite]", document.table("suite"), _SUITE)
    folder = path.parent if data is None else data
    return Suite(
        name=_name(settings, "a suite"),
        base=_base(settings, folder),
        count=_bounded(settings, "count", settings.get("count", int, COUNT), 2, seeds.MOST),
        seeds=tuple(
            _bounded(settings, "seeds", seed, 0, seeds.LARGEST) for seed in settings.several("seeds", int, (0,))
        ),
        metrics=settings.several("metrics", Metric, METRICS),
        features=settings.get("features", Features, "auto"),
        fid_mode=settings.get("fid_mode", FidMode, "clean"),
        lpips_features=settings.get("lpips_features", LpipsFeatures, "auto"),
        tasks=_tasks(document, folder),
        methods=_methods(document),
        content=content,
    )


def _base(settings: Table, folder: Path) -> Path | None:
    name: str = settings.get("base", str, EMBEDDED)
    if name == EMBEDDED:
        return None
    if not exists(folder / name) or not (folder / name).is_file():
        raise settings.error(
            f"base = {quoted(name)} in [suite]: there is no file {quoted(str(folder / name), 300)}; expected "
            f"{EMBEDDED!r}, or the path of a base's file, from --data or else from the suite's folder"
        )
    return Path(folder, name)


def _bounded(settings: Table, key: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise settings.error(f"{key} = {value} in [suite]: expected {least} to {most}")
    return value


def _tasks(document: Table, folder: Path) -> tuple[Domain, ...]:
    tables = [Table(document.path, "[[task]]", values, _TASK) for values in document.tables("task")]
    tasks = tuple(_task(table, folder) for table in tables)
    _refuse_twice(document, "task", [task.name for task in tasks])
    return tasks


def _task(table: Table, folder: Path) -> Domain:
    name = _name(table, "a task")
    meaning = stands_for(name)
    if meaning is not None:
        raise table.error(f"{name!r} cannot name a task: it stands for {meaning}; take another name")
    return Domain(name, _there(table, name, "shots", folder), _there(table, name, "reals", folder))


def _there(table: Table, name: str, key: str, folder: Path) -> Path:
    given: str = table.need(key, str)
    if not exists(folder / given):
        raise table.error(
            f"the {key} of task {name!r} are not at {quoted(str(folder / given), 300)}; name the folder that "
            f"{quoted(given)} is in with --data, or mend the path"
        )
    return Path(folder, given)


def _methods(document: Table) -> tuple[Method, ...]:
    tables = [Table(document.path, "[[method]]", values, _METHOD) for values in document.tables("method")]
    methods = tuple(map(_method, tables))
    _refuse_twice(document, "method", [method.name for method in methods])
    return methods


def _method(table: Table) -> Method:
    name, adapter = _name(table, "a method"), table.need("adapter", str)
    if name.lower() in {SUITE, RUNS}:
        raise table.error(
            f"{name!r} cannot name a method: its folder would stand where that file is; take another name"
        )
    pairs, said = spelled(table.table("options")), table.table("training")
    if "seed" in said:
        raise table.error(f"method {name!r}: seed in its training; expected seeds = [...] in [suite], for all methods")
    recipe: str = table.get("recipe", str, DEFAULT)
    try:
        way = way_of(recipe, adapter, pairs, spelled(said), {})
    except LfsganError as error:
        raise table.error(f"method {name!r}: {error}") from error
    return Method(name, way, table.get("sequential", bool, default=False))


def _name(table: Table, what: str) -> str:
    """A name that a folder can have."""
    name = table.need("name", str)
    try:
        return check_name(name)
    except TaskNameError as error:
        raise table.error(
            f"name = {quoted(name)} in {table.place} cannot name {what}: expected letters a-z, digits and ._- with a "
            "letter or digit in front, as for folders on any system"
        ) from error


def _refuse_twice(document: Table, what: str, names: Sequence[str]) -> None:
    """Names that differ by case alone are one folder on some systems."""
    lower = [name.lower() for name in names]
    for name in names:
        if lower.count(name.lower()) > 1:
            raise document.error(f"two {what}s are called {name!r}; give each a name of its own")
