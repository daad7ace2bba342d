"""What can be measured of a set of pictures: each metric as numbers with names, errors and warnings."""

from __future__ import annotations

import statistics as stdlib_statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.evaluation.features import (
    Distances,
    FeatureExtractors,
    Features,
    Seen,
    accumulate,
    features,
    remembered,
)
from lfsgan_cli.evaluation.image_sets import RESIZE, Found
from lfsgan_cli.evaluation.metrics import names
from lfsgan_cli.evaluation.metrics.diversity import FIRST, Diversity
from lfsgan_cli.evaluation.metrics.fid import Statistics, distance, statistics
from lfsgan_cli.evaluation.metrics.kid import kid
from lfsgan_cli.evaluation.metrics.memorization import Memorization
from lfsgan_cli.evaluation.metrics.names import require_blocks
from lfsgan_cli.evaluation.metrics.precision_recall import Manifold, manifold, overlap
from lfsgan_cli.system.machine import machine

# How far a number moves with the seeds alone: its spread between disjoint blocks of pictures.
#
# Never a bootstrap over pictures: one drawn twice has a copy of itself as its nearest neighbour and in its pairs,
# which
# shifts every metric of neighbours or pairs.


@dataclass(frozen=True)
class Spread:
    """A metric over disjoint blocks of pictures.

    mean: over the blocks; a metric that depends on the count, as FID does, has another value for all pictures at once.
    deviation: the standard deviation between blocks (over blocks - 1), for `size` pictures, not for all of them.
    """

    mean: float
    deviation: float
    blocks: int
    size: int


def split(features: Tensor, blocks: int, *, metric: str, least: int = 2) -> list[Tensor]:
    """`features` [N, D] as `blocks` runs of ⌊N / blocks⌋ pictures, in order of their seeds; a remainder is left out.

    metric: its name, for the error. least: the fewest pictures that it can be taken of.

    Raises:
        TooFewForBlocksError: a block has fewer.
        ValueError: less than two blocks.
    """
    require_blocks(metric, count=len(features), blocks=blocks, least=least)
    size = len(features) // blocks
    return list(torch.split(features[: blocks * size], size))


def summarise(values: Sequence[float], size: int) -> Spread:
    """The spread of values that were measured on one block of `size` pictures each; two values or more."""
    return Spread(stdlib_statistics.fmean(values), stdlib_statistics.stdev(values), len(values), size)


def spread(features: Tensor, blocks: int, measure: Callable[[Tensor], float], *, metric: str, least: int = 2) -> Spread:
    """`measure` on every block of `features` [N, D]. Several numbers of one measurement: `split`, then `summarise`.

    Raises:
        TooFewForBlocksError, ValueError: as `split`.
    """
    parts = split(features, blocks, metric=metric, least=least)
    return summarise([measure(part) for part in parts], len(parts[0]))


# The real pictures of a comparison: looked at once, in this run and the ones before.


@dataclass(frozen=True)
class EmbeddedImages:
    """The few shots: embedded by the eye's judge, [K, D], and pixel by pixel; the identity of their pictures."""

    embeddings: Tensor
    pixels: Tensor
    identity: str


@dataclass(frozen=True)
class RealSide:
    """Real pictures as metrics see them, and what several comparisons take from that, computed once.

    features: [M, D]. to_shots: distances to the shots, [M, K], as the eye's judge sees them; pixels: the same, pixel by
    pixel. None where they were not asked for.
    """

    features: Tensor
    to_shots: Tensor | None = None
    pixels: Tensor | None = None

    @cached_property
    def statistics(self) -> Statistics:
        """For the Fréchet distance."""
        return statistics(self.features)

    @cached_property
    def manifold(self) -> Manifold:
        """For precision and its like."""
        return manifold(self.features)


@dataclass(frozen=True)
class RealSides:
    """Looks at real sets when they are first asked for."""

    eye: FeatureExtractors
    batch: int
    _known: dict[tuple[str, str | None], RealSide] = field(default_factory=dict)

    def of(self, reals: Found, shots: EmbeddedImages | None, seen: Seen) -> RealSide:
        """That of a set, with its distances to `shots` if given. seen: told of pictures looked at."""
        place = (reals.identity, shots.identity if shots else None)
        if place not in self._known:
            kept = remembered(self._key(reals, shots), lambda: self._look(reals, shots, seen))
            self._known[place] = RealSide(kept["features"], kept.get("to_shots"), kept.get("pixels"))
        return self._known[place]

    def _look(self, reals: Found, shots: EmbeddedImages | None, seen: Seen) -> Mapping[str, Tensor]:
        if shots is None:
            return {"features": features(self.eye.extractor, reals, self.batch, seen)}
        gathered, distances = Features(), Distances(shots.embeddings, shots.pixels)
        accumulate(self.eye, reals, [gathered, distances], self.batch, seen)
        to_shots, pixels = distances.result()
        return {"features": gathered.result(), "to_shots": to_shots, "pixels": pixels}

    def _key(self, reals: Found, shots: EmbeddedImages | None) -> dict[str, Any]:
        """All that the numbers depend on."""
        extractor, judge = self.eye.extractor, self.eye.judge
        judged = {"judge": judge.name, "judge_sha256": judge.identity, "shots": shots.identity} if shots else {}
        return {
            "pictures": reals.identity,
            "resolution": reals.pictures.resolution,
            "resize": RESIZE,
            "extractor": extractor.name,
            "extractor_sha256": extractor.identity,
            "torch": machine()["torch"],
            **judged,
        }


Numbers = Mapping[str, tuple[float, float | None]]  # metric to value and standard error, None where it has none


@dataclass(frozen=True)
class Value:
    """One number. name: with extractor and counts; error: see `note`; warnings: what must be known of it."""

    metric: str
    name: str
    value: float
    error: float | None = None
    warnings: Sequence[str] = ()
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A metric of two sets of features.

    name: for errors. least: pictures of either set that it can be taken of. numbers: from the features of the drawn
    pictures and from the real ones. warnings: from the count of drawn pictures, of real ones, and of features.
    """

    name: str
    least: int
    numbers: Callable[[Tensor, RealSide], Numbers]
    warnings: Callable[[int, int, int], list[str]]

    def require(self, n: int, reals: int, blocks: int) -> None:
        """Refuse, in one line, sets that are too small, before they are looked at."""
        if blocks > 1:
            names.require_blocks(self.name, count=n, blocks=blocks, least=self.least)
        for count in (n, reals):
            names.require_two(self.name, count)
            names.require_neighbours(self.name, count, self.least - 1)

    def values(self, fakes: Tensor, reals: RealSide, extractor: str, blocks: int) -> Iterator[Value]:
        """The numbers; for two blocks or more their means, with the deviation between blocks as the error."""
        n, m = len(fakes) // blocks, len(reals.features)
        warnings = self.warnings(n, m, fakes.shape[1])
        for metric, (value, error) in self._measured(fakes, reals, blocks).items():
            title = names.label(metric, extractor, n=n, reals=m, blocks=blocks if blocks > 1 else None)
            yield Value(metric, title, value, error, warnings, _kind_of_error(error, blocks))

    def _measured(self, fakes: Tensor, reals: RealSide, blocks: int) -> Numbers:
        if blocks == 1:
            return self.numbers(fakes, reals)
        parts = split(fakes, blocks, metric=self.name, least=self.least)
        return _between([self.numbers(part, reals) for part in parts], len(parts[0]))


def _fid(fakes: Tensor, reals: RealSide) -> Numbers:
    return {"fid": (distance(statistics(fakes), reals.statistics), None)}


def _kid(fakes: Tensor, reals: RealSide) -> Numbers:
    found = kid(fakes, reals.features)
    return {"kid": (found.value, found.error)}


def _overlap(fakes: Tensor, reals: RealSide) -> Numbers:
    found = overlap(manifold(fakes), reals.manifold)
    names = ("precision", "recall", "density", "coverage")
    return {name: (getattr(found, name), None) for name in names}


def _between(measured: Sequence[Numbers], size: int) -> Numbers:
    """Of numbers of one block each: the means, and the deviations between blocks. One block stays as it is."""
    if len(measured) == 1:
        return measured[0]
    names = [name for name in measured[0] if all(name in one for one in measured)]
    spreads = {name: summarise([one[name][0] for one in measured], size) for name in names}
    return {name: (found.mean, found.deviation) for name, found in spreads.items()}


def _kind_of_error(error: float | None, blocks: int) -> dict[str, Any]:
    if blocks > 1:
        return {"error_is": "the standard deviation between blocks", "blocks": blocks}
    return {} if error is None else {"error_is": "the standard error over subsets of the same pictures"}


COMPARISONS: Mapping[str, Comparison] = {
    "fid": Comparison("FID", 2, _fid, lambda n, m, dim: names.fid_warnings(n=n, reals=m, dim=dim)),
    "kid": Comparison("KID", 2, _kid, lambda n, m, _: names.kid_warnings(n=n, reals=m)),
    "prdc": Comparison(
        "precision, recall, density and coverage",
        names.NEAREST + 1,
        _overlap,
        lambda n, m, _: names.manifold_warnings(n=n, reals=m, k=names.NEAREST),
    ),
}


def require_diversity(n: int, blocks: int) -> None:
    """Refuse, in one line, too few pictures for a pair in every block, before they are drawn."""
    if blocks > 1:
        names.require_blocks("B-LPIPS", count=n, blocks=blocks, least=2)
    names.require_two("B-LPIPS", n)


def diversity_values(found: Sequence[Diversity], judge: str) -> Iterator[Value]:
    """Intra-LPIPS, B-LPIPS and its normalised form; of several blocks their means."""
    n = sum(found[0].counts)
    blocks = len(found) if len(found) > 1 else None
    note = {"clusters": [list(one.counts) for one in found], **_kind_of_error(None, len(found))}
    for metric, (value, error) in _between([_numbers(one) for one in found], n).items():
        yield Value(metric, names.label(metric, f"lpips-{judge}", n=n, blocks=blocks), value, error, _few(n), note)


def memorization_values(found: Memorization, n: int, judge: str) -> Iterator[Value]:
    """The share of near copies, and how often a picture is nearer to its shot than real ones are."""
    note = {
        "reference": found.reference,
        "references": found.references,
        "threshold": found.threshold,
        "floor": found.floor,
    }
    warnings = [] if found.reference == "held-out pictures" else [_NO_HELD_OUT]
    for metric, value in (("near_duplicates", found.share), ("closer", found.closer)):
        title = names.label(metric, judge, n=n, reals=found.references)
        yield Value(metric, title, value, None, warnings, note)


_NO_HELD_OUT = (
    "near copies are told by how unlike the few shots are among themselves, which is coarse; give real pictures that "
    "were not learned from with --reals"
)


def _few(n: int) -> list[str]:
    if n >= FIRST:
        return []
    return [f"published Intra-LPIPS and B-LPIPS are of {FIRST:,} pictures, these are of {n}; draw more with -n"]


def _numbers(found: Diversity) -> Numbers:
    known = {"intra_lpips": found.intra, "b_lpips": found.balanced, "b_lpips_normalised": found.normalised}
    return {metric: (value, None) for metric, value in known.items() if value is not None}
