"""What can be measured of a set of pictures: each metric as numbers with names, errors and warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lfsgan_cli.jobs.realside import RealSide
from lfsgan_cli.metrics import counts
from lfsgan_cli.metrics.diversity import FIRST, Diversity
from lfsgan_cli.metrics.frechet import distance, statistics
from lfsgan_cli.metrics.kid import kid
from lfsgan_cli.metrics.manifold import manifold, overlap
from lfsgan_cli.metrics.memorisation import Memorisation
from lfsgan_cli.metrics.spread import split, summarise

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
            counts.require_blocks(self.name, count=n, blocks=blocks, least=self.least)
        for count in (n, reals):
            counts.require_two(self.name, count)
            counts.require_neighbours(self.name, count, self.least - 1)

    def values(self, fakes: Tensor, reals: RealSide, extractor: str, blocks: int) -> Iterator[Value]:
        """The numbers; for two blocks or more their means, with the deviation between blocks as the error."""
        n, m = len(fakes) // blocks, len(reals.features)
        warnings = self.warnings(n, m, fakes.shape[1])
        for metric, (value, error) in self._measured(fakes, reals, blocks).items():
            title = counts.label(metric, extractor, n=n, reals=m, blocks=blocks if blocks > 1 else None)
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


COMPARISONS: Mapping[str, Comparison] = {
    "fid": Comparison("FID", 2, _fid, lambda n, m, dim: counts.fid_warnings(n=n, reals=m, dim=dim)),
    "kid": Comparison("KID", 2, _kid, lambda n, m, _: counts.kid_warnings(n=n, reals=m)),
    "prdc": Comparison(
        "precision, recall, density and coverage",
        counts.NEAREST + 1,
        _overlap,
        lambda n, m, _: counts.manifold_warnings(n=n, reals=m, k=counts.NEAREST),
    ),
}


def require_diversity(n: int, blocks: int) -> None:
    """Refuse, in one line, too few pictures for a pair in every block, before they are drawn."""
    if blocks > 1:
        counts.require_blocks("B-LPIPS", count=n, blocks=blocks, least=2)
    counts.require_two("B-LPIPS", n)


def diversity_values(found: Sequence[Diversity], judge: str) -> Iterator[Value]:
    """Intra-LPIPS, B-LPIPS and its normalised form; of several blocks their means."""
    n = sum(found[0].counts)
    blocks = len(found) if len(found) > 1 else None
    note = {"clusters": [list(one.counts) for one in found], **_kind_of_error(None, len(found))}
    for metric, (value, error) in _between([_numbers(one) for one in found], n).items():
        yield Value(metric, counts.label(metric, f"lpips-{judge}", n=n, blocks=blocks), value, error, _few(n), note)


def memorisation_values(found: Memorisation, n: int, judge: str) -> Iterator[Value]:
    """The share of near copies, and how often a picture is nearer to its shot than real ones are."""
    note = {
        "reference": found.reference,
        "references": found.references,
        "threshold": found.threshold,
        "floor": found.floor,
    }
    warnings = [] if found.reference == "held-out pictures" else [_NO_HELD_OUT]
    for metric, value in (("near_copies", found.share), ("closer", found.closer)):
        title = counts.label(metric, judge, n=n, reals=found.references)
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
