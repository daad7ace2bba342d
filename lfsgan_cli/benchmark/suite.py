"""A benchmark's suite: its TOML file, read with limits and checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lfsgan_cli import options
from lfsgan_cli.benchmark.results import RUNS, SUITE
from lfsgan_cli.errors import LfsganError, choices, one_line, quoted
from lfsgan_cli.evaluation import registry
from lfsgan_cli.evaluation.features import EmbedderName, ExtractorMode, ExtractorName
from lfsgan_cli.evaluation.registry import Need
from lfsgan_cli.io import json as strictjson
from lfsgan_cli.io.files import TaskNameError, check_name, read_plain
from lfsgan_cli.options import option_type
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import DEFAULT, TaskRecipe, spelled, task_recipe
from lfsgan_cli.workspace.base_file import EMBEDDED
from lfsgan_cli.workspace.paths import stands_for

COUNT = 2000  # images generated for a measurement
LONGEST = 100  # characters of a key that is compared with the known ones
MOST_BYTES = 1 << 20  # of the file
LONGEST_MESSAGE = 200  # characters of its messages

_SUITE = ("name", "base", "count", "seeds", "metrics", "features", "fid_mode", "lpips_features", "sweep")
_TASK = ("name", "shots", "reals")
_METHOD = ("name", "recipe", "adapter", "options", "sequential", "training")


class NoSuiteError(LfsganError):
    """A file that is not there, or cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"no suite at {str(path)!r}: {reason}; expected a TOML file as in examples/benchmarks")


class SuiteError(LfsganError):
    """A suite that cannot be run as it stands."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r}: {reason}")


class UnknownMethodError(LfsganError):
    """A method that the suite does not have."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"the suite has no method {name!r}; it has: {choices(known, name)}")


@dataclass(frozen=True)
class Domain:
    """One task: its name, its training images, and the real images that it is compared with."""

    name: str
    shots: Path
    reals: Path


@dataclass(frozen=True)
class Method:
    """One configuration to learn all tasks with.

    sequential: one network learns all tasks, and each task starts where the one before it ended. source: its name in
    the suite's file, where a sweep makes several of it.
    """

    name: str
    recipe: TaskRecipe
    sequential: bool
    source: str


@dataclass(frozen=True)
class Suite:
    """What is to be run. base: a file, or None for the embedded one; content: the bytes of the suite's file."""

    name: str
    base: Path | None
    count: int
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    features: ExtractorName
    fid_mode: ExtractorMode
    lpips_features: EmbedderName
    tasks: tuple[Domain, ...]
    methods: tuple[Method, ...]
    content: bytes

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that all numbers of a suite share, as JSON."""
        chosen = {"features": self.features, "fid_mode": self.fid_mode, "lpips_features": self.lpips_features}
        return {"count": self.count, "metrics": sorted(self.metrics), **chosen}

    @property
    def needs(self) -> set[Need]:
        """What the metrics need."""
        return {need for key in self.metrics for need in registry.metrics()[key].needs}

    def some(self, names: Sequence[str]) -> tuple[Method, ...]:
        """The methods of these names, in the suite's order; all methods for no names. UnknownMethodError."""
        known = {name for method in self.methods for name in (method.source, method.name)}
        for name in names:
            if name not in known:
                raise UnknownMethodError(name, [method.name for method in self.methods])
        return tuple(one for one in self.methods if not names or one.name in names or one.source in names)


def read_suite(path: Path, data: Path | None, sweep: str = "") -> Suite:
    """The suite in a file. data: the folder of its paths; its own folder if None. sweep: one of `[suite]`, to be added.

    Raises NoSuiteError, and SuiteError for whatever in it cannot be run: both in one line.
    """
    try:
        content = read_plain(path, MOST_BYTES)
    except OSError as error:
        raise NoSuiteError(path, error.strerror or "it cannot be read") from error
    content = _with_sweep(path, content, sweep) if sweep else content
    try:
        values = strictjson.loads_toml(content)
    except ValueError as error:
        raise SuiteError(path, f"expected TOML, and it is none: {one_line(str(error))[:LONGEST_MESSAGE]}") from error
    document = Table(path, "the suite", values, ("suite", "task", "method"))
    settings = Table(path, "[suite]", document.table("suite"), _SUITE)
    folder, known = path.parent if data is None else data, registry.metrics()
    swept = Sweep.read(settings) if "sweep" in settings.values else None
    methods = tuple(method for table in document.tables("method", _METHOD) for method in _methods(table, swept))
    if swept and all(method.name == method.source for method in methods):
        raise settings.error(f"sweep of {quoted(swept.key)}: no method has such an option, and training has none")
    return Suite(
        name=_name(settings, "a suite"),
        base=_base(settings, folder),
        count=_bounded(settings, "count", settings.get("count", int, COUNT), 2, options.MOST),
        seeds=tuple(
            _bounded(settings, "seeds", seed, 0, options.LARGEST) for seed in settings.several("seeds", int, (0,))
        ),
        metrics=settings.several("metrics", Literal[tuple(known)], [key for key in known if known[key].in_suites]),
        features=settings.get("features", ExtractorName, "auto"),
        fid_mode=settings.get("fid_mode", ExtractorMode, "clean"),
        lpips_features=settings.get("lpips_features", EmbedderName, "auto"),
        tasks=tuple(_task(table, folder) for table in document.tables("task", _TASK)),
        methods=methods,
        content=content,
    )


def _base(settings: Table, folder: Path) -> Path | None:
    name: str = settings.get("base", str, EMBEDDED)
    if name == EMBEDDED:
        return None
    if not _exists(folder / name) or not (folder / name).is_file():
        raise settings.error(
            f"base = {quoted(name)} in [suite]: there is no file {quoted(str(folder / name), 300)}; expected "
            f"{EMBEDDED!r}, or the path of a base's file, from --data or else from the suite's folder"
        )
    return Path(folder, name)


def _exists(path: Path) -> bool:
    """Whether something is there; nothing is where no file can have such a name."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _bounded(settings: Table, key: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise settings.error(f"{key} = {value} in [suite]: expected {least} to {most}")
    return value


def _task(table: Table, folder: Path) -> Domain:
    name = _name(table, "a task")
    meaning = stands_for(name)
    if meaning is not None:
        raise table.error(f"{name!r} cannot name a task: it stands for {meaning}; take another name")
    places = {key: table.need(key, str) for key in ("shots", "reals")}
    for key, given in places.items():
        if not _exists(folder / given):
            raise table.error(
                f"the {key} of task {name!r} are not at {quoted(str(folder / given), 300)}; name the folder that "
                f"{quoted(given)} is in with --data, or correct the path"
            )
    return Domain(name, folder / places["shots"], folder / places["reals"])


@dataclass(frozen=True)
class Sweep:
    """Several values of one option of the adapters, or of one setting of training."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def read(cls, settings: Table) -> Sweep:
        """From `sweep = "rank=1,4,14"` in [suite]."""
        text: str = settings.need("sweep", str)
        key, equals, listed = (part.strip() for part in text.partition("="))
        values = tuple(value.strip() for value in listed.split(","))
        if not (key and equals and all(values)) or len(set(values)) < len(values):
            raise settings.error(f"sweep = {quoted(text)} in [suite]: expected KEY=VALUE,VALUE with different values")
        return cls(key, values)


def _with_sweep(path: Path, content: bytes, sweep: str) -> bytes:
    """The suite's file with a sweep in it, so that its copy in the benchmark's folder runs the same again."""
    if '"' in sweep or "\\" in sweep or not sweep.isprintable():
        raise SuiteError(path, f"--sweep {quoted(sweep)}: expected KEY=VALUE,VALUE")
    lines = content.split(b"\n")
    heads = [index for index, line in enumerate(lines) if line.split(b"#")[0].strip() == b"[suite]"]
    if len(heads) != 1:
        raise SuiteError(path, f"--sweep is kept below the line [suite], of which there are {len(heads)}: expected one")
    lines.insert(heads[0] + 1, f'sweep = "{sweep}"'.encode())
    return b"\n".join(lines)


def _methods(table: Table, sweep: Sweep | None) -> list[Method]:
    """The method of a table, or one for each value of a sweep where it has such an option or setting."""
    method = _method(table)
    if sweep is None:
        return [method]
    configs = {"options": type(method.recipe.options), "training": LearnConfig}
    places = [place for place, config in configs.items() if sweep.key in {one.name for one in options.describe(config)}]
    if not places:
        return [method]
    found = []
    for value in sweep.values:
        values = {**options.flat(table.table(places[0])), sweep.key: value}
        one = replace(table, values={**table.values, places[0]: values, "name": f"{method.name}-{sweep.key}-{value}"})
        found.append(replace(_method(one), source=method.name))
    return found


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
        found = task_recipe(recipe, adapter, pairs, spelled(said), {})
    except LfsganError as error:
        raise table.error(f"method {name!r}: {error}") from error
    return Method(name, found, table.get("sequential", bool, default=False), name)


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


@dataclass(frozen=True)
class Table:
    """A table of a suite with typed values. place: its name in messages, as "[suite]"; known: the keys it may have."""

    path: Path
    place: str
    values: Mapping[str, Any]
    known: tuple[str, ...]

    def __post_init__(self) -> None:
        """SuiteError for an unknown key, which would be a mistake that nobody sees."""
        for key in self.values:
            if key not in self.known:
                known = choices(self.known, key[:LONGEST])
                raise self.error(f"unknown key {quoted(key)} in {self.place}; the known ones are: {known}")

    def error(self, reason: str) -> SuiteError:
        """One that names the file."""
        return SuiteError(self.path, reason)

    def need(self, key: str, annotation: Any) -> Any:
        """A value that must be there, of the type that `annotation` stands for (see `option_type`)."""
        if key not in self.values:
            raise self.error(f"{key} is missing in {self.place}; expected {key} = {option_type(annotation)}")
        return self._checked(key, self.values[key], annotation)

    def get(self, key: str, annotation: Any, default: Any) -> Any:
        """A value that may be there."""
        return self.need(key, annotation) if key in self.values else default

    def several(self, key: str, annotation: Any, default: Sequence[Any]) -> tuple[Any, ...]:
        """A list of values, one at least, each of them once."""
        values = self.values.get(key, default)
        if not isinstance(values, list | tuple) or not values:
            raise self.error(f"{key} = {quoted(values)} in {self.place}: expected a list of one or more")
        found = tuple(self._checked(key, value, annotation) for value in values)
        for value in found:
            if found.count(value) > 1:
                raise self.error(f"{key} in {self.place} has {quoted(value)} twice; leave one out")
        return found

    def table(self, key: str) -> Mapping[str, Any]:
        """A table in this one; empty if it is not there."""
        found = self.values.get(key, {})
        if not isinstance(found, dict):
            raise self.error(f"{key} = {quoted(found)} in {self.place}: expected a table such as {{name = value}}")
        return found

    def tables(self, key: str, known: tuple[str, ...]) -> list[Table]:
        """The tables under [[key]], one at least, no two of one name: names that differ by case are one folder."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            raise self.error(f"expected one or more tables [[{key}]]")
        names = [str(one.get("name", index)).lower() for index, one in enumerate(found)]
        for one, name in zip(found, names, strict=True):
            if names.count(name) > 1:
                raise self.error(f"two {key}s are called {quoted(one['name'])}; give each a name of its own")
        return [Table(self.path, f"[[{key}]]", one, known) for one in found]

    def _checked(self, key: str, value: Any, annotation: Any) -> Any:
        kind = option_type(annotation)
        try:
            return kind.check(value)
        except (ValueError, OverflowError) as error:
            raise self.error(f"{key} = {quoted(value)} in {self.place}: expected {kind}") from error
