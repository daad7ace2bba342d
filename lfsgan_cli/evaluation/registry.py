"""The registry of metrics: what a metric declares, what it is given, and where the program finds it.

A metric is one file in `evaluation/metrics/` that ends in `METRIC = ...`. The flag of `lfsgan evaluate`, the key in a
benchmark's suite, the rows of reports and the table in docs/evaluation.md are made from that object, so no other file
names a metric. Nothing here or at the top of a metric's file imports torch: `--help` needs the declarations.
"""

from __future__ import annotations

import importlib
import pkgutil
import statistics
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar

from lfsgan_cli.errors import LfsganError, choices

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.evaluation.features import Batch

T = TypeVar("T")

# features: of the network that `--features` names. embeddings: of the one that `--lpips-features` names, for perceptual
# distances. pixels: the images as they are. reals: images to compare with. training images: what the task learned from.
Need: TypeAlias = Literal["features", "embeddings", "pixels", "reals", "training images"]
Best: TypeAlias = Literal["lower", "higher"] | float  # which way a number is better; a float is the best value itself
LEGEND = "↓ lower is better, ↑ higher is better, → best at the number behind it."


class TooFewToMeasureError(LfsganError):
    """A number that needs two images or more was asked of fewer."""

    def __init__(self, metric: str, count: int) -> None:
        found = {0: "no image", 1: "one image"}.get(count, f"{count} images")
        super().__init__(f"{metric} of {found}: expected at least 2; use more images")


class TooFewForBlocksError(LfsganError):
    """Blocks of seeds so small that the metric cannot be computed on one."""

    def __init__(self, metric: str, *, count: int, blocks: int, least: int) -> None:
        super().__init__(
            f"{blocks} blocks of {count} images have {count // blocks} each: expected {least} or more for {metric}; "
            f"use {blocks * least} images or more, or fewer --blocks"
        )


class UnknownMetricError(LfsganError):
    """A key that stands for no metric."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no metric {name!r}; expected one or more of {choices(known, name)}")


def require_two(metric: str, count: int) -> None:
    """TooFewToMeasureError where `count` images have neither a spread nor a pair."""
    if count < 2:
        raise TooFewToMeasureError(metric, count)


@dataclass(frozen=True)
class Quantity:
    """One kind of number that a metric gives.

    name: as records have it, such as "recall". meaning: for the table in docs/evaluation.md. low, high: its bounds,
    None where it has none. digits: shown after the point. scaled: shown beside those of the base and of real images.
    """

    name: str
    meaning: str
    best: Best
    low: float | None = 0.0
    high: float | None = None
    digits: int = 4
    scaled: bool = False


@dataclass(frozen=True)
class Option:
    """An option of `lfsgan evaluate` that belongs to one metric and may be repeated.

    name: `--name`. parse: from all values given to what `Setting.options[name]` is; raises LfsganError.
    """

    name: str
    metavar: str
    help: str
    parse: Callable[[Sequence[str]], Any]


@dataclass(frozen=True)
class Sheet:
    """An image grid that a metric leaves beside `metrics.jsonl`, and how the report shows it. alt: in place of it."""

    file: str
    title: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Value:
    """One measured number. name: with extractor and counts. warnings: what limits it. note: more for the record."""

    metric: str
    name: str
    value: float
    error: float | None = None
    warnings: Sequence[str] = ()
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """The rows of a metric's `Sheet`: indices of samples, and below each the index of an image of `other`."""

    samples: Sequence[int]
    others: Sequence[int]
    other: Literal["training images", "reals"]
    note: Mapping[str, Any]


class Collector(Protocol):
    """Collects something of each image of a set, in one pass."""

    @property
    def key(self) -> Mapping[str, Any]:
        """All that the result depends on besides the images, as JSON: results for real images are kept under it."""

    def see(self, batch: Batch) -> None:
        """Take in the next images."""

    def result(self) -> Any:
        """What was collected: a tensor if real images are collected too."""


class Collected:
    """What the collectors of one set found, under their names; each result is computed when it is first asked for.

    derived: what `once` computed so far, for sets that share values.
    """

    def __init__(
        self, count: int, results: Mapping[str, Callable[[], Any]], derived: dict[Any, Any] | None = None
    ) -> None:
        self.count = count
        self._results, self._values = results, dict[str, Any]()
        self._derived = {} if derived is None else derived

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            self._values[name] = self._results[name]()
        return self._values[name]

    def once(self, name: str, compute: Callable[[Any], T]) -> T:
        """`compute` of the value under `name`, computed once for all sets that are compared with this one."""
        key = (id(self[name]), compute)  # the value lives as long as `self`
        if key not in self._derived:
            self._derived[key] = compute(self[name])
        found: T = self._derived[key]
        return found


class EmbeddedImages(Protocol):
    """The few shots, embedded. identity: SHA-256 of their files."""

    @property
    def embeddings(self) -> Tensor:
        """By the network that `--lpips-features` names, [K, D]."""

    @property
    def pixels(self) -> Tensor:
        """Pixel by pixel, [K, 3RR]."""

    @property
    def identity(self) -> str:
        """SHA-256 (hex)."""


@dataclass(frozen=True)
class Setting:
    """What a metric knows of the set that it measures.

    count: samples. blocks: disjoint runs of samples that are measured apart. extractor, embedder: names of networks.
    embedder_sha256: of its weights. few_shots: None where they are unknown or nobody needs them. held_out: whether the
    real images are others than the few shots. options: values of the metrics' own options.
    """

    count: int
    blocks: int
    extractor: str
    embedder: str
    embedder_sha256: str
    few_shots: EmbeddedImages | None
    held_out: bool
    options: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """One metric: its declaration, and how it is computed.

    key: of `lfsgan evaluate --key` and of a suite's `metrics`. order: place in help, tables and records. least: samples
    (of a block) that it needs. in_suites: whether suites without a list of metrics measure it.
    """

    key: ClassVar[str]
    order: ClassVar[int]
    title: ClassVar[str]
    help: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]
    needs: ClassVar[frozenset[Need]]
    source: ClassVar[str]
    least: ClassVar[int] = 2
    in_suites: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = ()
    sheet: ClassVar[Sheet | None] = None

    def check(self, samples: int, reals: int | None, blocks: int) -> None:
        """LfsganError where there are too few images, before work starts. reals: None where none are needed."""
        if blocks > 1 and samples // blocks < self.least:
            raise TooFewForBlocksError(self.title, count=samples, blocks=blocks, least=self.least)
        for count in (samples, samples if reals is None else reals):
            require_two(self.title, count)

    def warnings(self, samples: int, reals: int, dim: int) -> list[str]:
        """What limits numbers of so few images. samples: in a block. dim: features of an image."""
        del samples, reals, dim
        return []

    def collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """What to collect of the samples; metrics that need features find them under "features"."""
        del setting
        return {}

    def real_collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """What to collect of the real images."""
        del setting
        return {}

    @abstractmethod
    def measure(self, samples: Collected, reals: Collected | None, setting: Setting) -> Iterator[Value | Rows]:
        """The numbers, and the rows of the sheet if there is one. reals: None where the metric does not need them."""


Numbers: TypeAlias = Mapping[str, tuple[float, float | None]]  # by quantity: the value and its error, if it has one


class FeatureMetric(Metric):
    """A metric of two sets of features."""

    needs = frozenset({"features", "reals"})

    @abstractmethod
    def compare(self, samples: Tensor, reals: Collected) -> Numbers:
        """The numbers of samples' features [N, D]; those of the real images are `reals["features"]`, [M, D]."""

    def scale(self, reals: Collected) -> dict[str, Any]:
        """What records say of the numbers that real images have themselves."""
        del reals
        return {}

    def measure(self, samples: Collected, reals: Collected | None, setting: Setting) -> Iterator[Value]:
        """The numbers; of several blocks their means, with the deviation between blocks as the error."""
        if reals is None:
            raise ValueError(f"{self.key} without real images")
        features, blocks = samples["features"], setting.blocks
        found = over_blocks([self.compare(part, reals) for part in split(features, blocks)])
        n, m = len(features) // blocks, len(reals["features"])
        warnings = self.warnings(n, m, features.shape[1])
        for name, (value, error) in found.items():
            note = {**blocks_note(blocks), **self.scale(reals)}
            if blocks == 1 and error is not None:
                note["error_is"] = "the standard error over subsets of the same images"
            shown = label(name, setting.extractor, n=n, reals=m, blocks=blocks)
            yield Value(name, shown, value, error, warnings, note)


# Blocks show how far a number moves with the seeds alone. Never a bootstrap over images: one that is drawn twice has a
# copy of itself as its nearest neighbour, which shifts every metric of neighbours or pairs.


def split(features: Tensor, blocks: int) -> list[Tensor]:
    """`features` [N, D] as `blocks` runs of N // blocks images in order; a remainder is left out."""
    size = len(features) // blocks
    return [features[start * size : (start + 1) * size] for start in range(blocks)] if blocks > 1 else [features]


def over_blocks(measured: Sequence[Numbers]) -> Numbers:
    """The means, and the standard deviations between blocks (over blocks - 1); one block stays as it is.

    A quantity that not every block has is left out. The deviation is that of numbers of one block's size.
    """
    if len(measured) == 1:
        return measured[0]
    values = {name: [one[name][0] for one in measured] for name in measured[0] if all(name in one for one in measured)}
    return {name: (statistics.fmean(several), statistics.stdev(several)) for name, several in values.items()}


def blocks_note(blocks: int) -> dict[str, Any]:
    """What a record says of an error that comes from blocks."""
    return {"error_is": "the standard deviation between blocks", "blocks": blocks} if blocks > 1 else {}


def label(quantity: str, extractor: str, *, n: int, reals: int | None = None, blocks: int = 1) -> str:
    """The name under which a number is shown: 'fid[inception] n=5000 reals=2000'; without `reals` for diversity.

    With several blocks, n is the count of one of them: 'fid[inception] n=1000 blocks=5 reals=2000'.
    """
    parts = {"n": n, "blocks": blocks if blocks > 1 else None, "reals": reals}
    counts = " ".join(f"{name}={count}" for name, count in parts.items() if count is not None)
    return f"{quantity}[{extractor}] {counts}"


def small_sets(samples: int, reals: int, least: int) -> list[tuple[int, str, str]]:
    """Of each set with fewer than `least` images: the count, which set it is, and how to enlarge it."""
    sets = [
        (samples, "generated", "use more generated images (-n for tasks)"),
        (reals, "real", "pass the full set with --reals"),
    ]
    return [one for one in sets if one[0] < least]


# Where metrics are found, and what the program asks of their declarations.


@cache
def metrics() -> Mapping[str, Metric]:
    """All metrics by their keys, in their order."""
    package = importlib.import_module("lfsgan_cli.evaluation.metrics")
    modules = (
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    )
    found: list[Metric] = sorted((module.METRIC for module in modules), key=lambda metric: metric.order)
    return {metric.key: metric for metric in found}


def metrics_named(names: Collection[str]) -> list[Metric]:
    """The metrics with these keys, in their order; UnknownMetricError, also where none is named."""
    known = metrics()
    for name in names:
        if name not in known:
            raise UnknownMetricError(name, known)
    if not names:
        raise UnknownMetricError("", known)
    return [metric for key, metric in known.items() if key in names]


def quantity(name: str) -> Quantity | None:
    """The quantity that records call `name`; None for a name of another version."""
    return next((one for metric in metrics().values() for one in metric.quantities if one.name == name), None)


def less_is_better(name: str) -> bool | None:
    """Whether less of a quantity is better; None where a value in between is best, or nothing is known."""
    found = quantity(name)
    return {"lower": True, "higher": False}.get(str(found.best)) if found else None


def marked(name: str, shown: str) -> str:
    """The shown name of a quantity with an arrow that points where it is better."""
    found = quantity(name)
    if found is None:
        return shown
    arrow = {"lower": "↓", "higher": "↑"}.get(str(found.best), f"→ {found.best}")
    return f"{shown} {arrow}"
