"""Memorization: how near generated images come to the training images, against how near unseen real images come.

A generator that learned the domain gives images about as near to its training images as held-out real images are; one
that memorized them gives nearer ones (Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect data-copying in
generative models", 2020). An image is called a *near-duplicate* if it is nearer to its nearest shot than the held-out
images' first percentile is to theirs. So about one in a hundred new real images is called one too, and the generator is
responsible for what exceeds that. A percentile, not the least distance, so that one odd real image does not decide.

Where no real image is held out, each shot is, in turn, from the others. Among one shot fewer the nearest is a little
farther off, and of K shots the first percentile is the least distance: the threshold is coarser, and says so.

Distances are those of any `Embedder`. A network recognizes a shifted copy and misses a noisy one; plain pixels are the
other way round, so both are measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.registry import (
    Collected,
    Collector,
    Metric,
    Quantity,
    Rows,
    Setting,
    Sheet,
    Value,
    label,
    require_two,
)

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.evaluation.features import Batch

PERCENT = 1
SAME = 1e-5  # an image's distance from itself stays below: float32 leaves a fifth at most, see `pairwise`

HELD_OUT: Literal["held-out images"] = "held-out images"
LEFT_OUT: Literal["each training image against the others"] = "each training image against the others"
Reference = Literal["held-out images", "each training image against the others"]
CLOSEST = 12  # pairs on the sheet
NO_HELD_OUT = (
    "near-duplicates are measured by the distances of the training images among themselves, which is coarse; pass real "
    "images that were not learned from with --reals"
)


class NoReferenceError(LfsganError):
    """Nothing that a distance could be called small against."""

    def __init__(self) -> None:
        super().__init__(
            "memorization has nothing to compare with: expected real images that are not training images, "
            "or two different training images at least; pass more images with --reals"
        )


@dataclass(frozen=True)
class Memorization:
    """How near N images come to their nearest shots.

    share: of near-duplicates, from 0 to 1; 1 for a generator that memorized. floor: the share that new real images have
    on average, about 0.01 for M references of a hundred and more; for fewer it is 1/(M + 1), and varies by as much.
    closer: how often an image is nearer to the shots than a reference is, over all pairs of the two, ties counting
    half: 0.5 for real images, 1 for a generator that memorized, below 0.5 for images that miss the domain.
    nearest, expected: the median distance to the nearest shot, of the images and of the references.
    threshold: the distance below which an image is a near-duplicate. reference: what it rests on; references: how many.
    """

    share: float
    floor: float
    closer: float
    nearest: float
    expected: float
    threshold: float
    reference: Reference
    references: int


class Pair(NamedTuple):
    """The index of an image, that of its nearest shot, and their distance."""

    image: int
    shot: int
    distance: float


def memorization(images: Tensor, shots: Tensor, reals: Tensor | None = None) -> Memorization:
    """That of images at distances [N, K] from K shots.

    shots: their distances among themselves, [K, K], for which `reals` [M, K] is preferred: the distances of a real set
    from the shots. Images of it that are shots are left out, and where none remains, the shots serve.

    Raises:
        TooFewToMeasureError: no image, or one.
        NoReferenceError: neither a held-out image nor two different shots.
    """
    require_two("memorization", len(images))
    found = held_out(reals) if reals is not None else shots.new_empty(0)
    if len(found):
        return _against(images, found, HELD_OUT)
    return _against(images, leave_one_out(shots), LEFT_OUT)


def closest(images: Tensor, count: int) -> list[Pair]:
    """The `count` images nearest to a shot, or all, with that shot, nearest first. images: distances [N, K]."""
    distances, shots = images.min(1)
    order = distances.argsort(stable=True)[:count].tolist()
    return [Pair(index, int(shots[index]), float(distances[index])) for index in order]


def held_out(reals: Tensor) -> Tensor:
    """The distance to the nearest shot of each real image that is no shot, [M] or fewer. reals: distances [M, K]."""
    nearest = reals.amin(1)
    return nearest[nearest > SAME]


def leave_one_out(shots: Tensor) -> Tensor:
    """The distance of each shot to the nearest other that differs, [K], or [0] for one. shots: distances [K, K]."""
    import torch

    others = shots.masked_fill(torch.eye(len(shots), dtype=torch.bool, device=shots.device), torch.inf)
    nearest = others.masked_fill(others <= SAME, torch.inf).amin(1)
    return nearest[nearest.isfinite()]


def _against(images: Tensor, references: Tensor, kind: Reference) -> Memorization:
    count = len(references)
    if not count:
        raise NoReferenceError
    nearest, expected = images.amin(1).double().cpu(), references.double().cpu().sort().values
    rank = -(-count * PERCENT // 100)  # counted from 1: the first percentile by the nearest rank
    threshold = expected[rank - 1]
    return Memorization(
        share=float((nearest < threshold).double().mean()),
        floor=rank / (count + 1),
        closer=_probability_below(nearest, expected),
        nearest=float(nearest.quantile(0.5)),
        expected=float(expected.quantile(0.5)),
        threshold=float(threshold),
        reference=kind,
        references=count,
    )


def _probability_below(x: Tensor, ordered: Tensor) -> float:
    """How often a value of x is below one of `ordered`, ties counting half: Mann and Whitney's U over its maximum."""
    import torch

    not_above = torch.searchsorted(ordered, x, right=True)
    ties = not_above - torch.searchsorted(ordered, x)
    return float((len(ordered) - not_above + ties / 2).double().mean() / len(ordered))


class DistanceCollector:
    """Perceptual distances to the few shots, [N, K]. shots: their embeddings, [K, D]. key: see `Collector`."""

    def __init__(self, shots: Tensor, key: Mapping[str, Any]) -> None:
        self._shots = shots
        self.key = key
        self._parts: list[Tensor] = []

    def see(self, batch: Batch) -> None:
        """Add the distances of each image."""
        from lfsgan_cli.evaluation.extractors.perceptual import pairwise

        self._parts.append(pairwise(self.embed(batch), self._shots).cpu())

    def embed(self, batch: Batch) -> Tensor:
        """The embeddings of a batch, [n, D]."""
        return batch.embeddings

    def result(self) -> Tensor:
        """[N, K]."""
        import torch

        return torch.cat(self._parts)


class PixelDistanceCollector(DistanceCollector):
    """The same, pixel by pixel. shots: [K, 3RR]."""

    def embed(self, batch: Batch) -> Tensor:
        """The pixels of a batch, [n, 3RR]."""
        from lfsgan_cli.evaluation.extractors.pixels import PixelEmbedder

        return PixelEmbedder(self._shots.device).embed(batch.images)


class MemorizationMetric(Metric):
    """`--memorization`."""

    key = "memorization"
    order = 50
    title = "memorization"
    help = "Near-duplicates of the training images (lower is better)."
    quantities = (
        Quantity(
            "near_duplicates",
            "share of images nearer to a training image than 99 % of held-out real images are; real images have 0.01",
            "lower",
            high=1,
        ),
        # Copies are nearer to the shots than real images are, and images that miss the domain are farther: neither less
        # nor more is better. A network that forgot a domain would have gained by it.
        Quantity(
            "closer", "how often an image is nearer to its training image than a held-out one to its own", 0.5, high=1
        ),
    )
    needs = frozenset({"embeddings", "pixels", "reals", "training images"})
    source = "after Meehan et al., 2020"
    sheet = Sheet(
        "closest_pairs.png",
        "Closest pairs",
        "samples above the training images nearest to them",
        "The generated images that are nearest to a training image, each above that image: a copy would be seen here.",
    )

    def collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """Distances to the few shots, by the embedder and by pixels."""
        shots = setting.few_shots
        if shots is None:
            return {}
        by_network = {"embedder": setting.embedder, "embedder_sha256": setting.embedder_sha256}
        key = {"distances_to": shots.identity}
        return {
            "distances": DistanceCollector(shots.embeddings, {**key, **by_network}),
            "pixel_distances": PixelDistanceCollector(shots.pixels, {**key, "embedder": "pixels"}),
        }

    def real_collectors(self, setting: Setting) -> Mapping[str, Collector]:
        """The same of real images, unless they are the few shots themselves."""
        return self.collectors(setting) if setting.held_out else {}

    def measure(self, samples: Collected, reals: Collected | None, setting: Setting) -> Iterator[Value | Rows]:
        """Both numbers by both distances, and the closest pairs."""
        from lfsgan_cli.evaluation.extractors.perceptual import pairwise

        shots = setting.few_shots
        if shots is None:
            raise ValueError("memorization without few shots")
        for name, known, extractor in (
            ("distances", shots.embeddings, f"lpips-{setting.embedder}"),
            ("pixel_distances", shots.pixels, "pixels"),
        ):
            of_reals = reals[name] if reals is not None and setting.held_out else None
            found = memorization(samples[name], pairwise(known, known).cpu(), of_reals)
            yield from _values(found, samples.count, extractor)
        pairs = closest(samples["distances"], CLOSEST)
        note = {"rows": ["sample", "nearest training image"], "pairs": [list(pair) for pair in pairs]}
        yield Rows([pair.image for pair in pairs], [pair.shot for pair in pairs], "training images", note)


def _values(found: Memorization, n: int, extractor: str) -> Iterator[Value]:
    note = {
        "reference": found.reference,
        "references": found.references,
        "threshold": found.threshold,
        "floor": found.floor,
    }
    warnings = [] if found.reference == HELD_OUT else [NO_HELD_OUT]
    for name, value in (("near_duplicates", found.share), ("closer", found.closer)):
        yield Value(name, label(name, extractor, n=n, reals=found.references), value, None, warnings, note)


METRIC = MemorizationMetric()
