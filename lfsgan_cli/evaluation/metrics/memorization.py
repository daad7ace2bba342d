"""Whether pictures are copies of the shots: how near they come to them, against how near unseen real pictures come.

A generator that learned the domain draws pictures about as near to its shots as held-out real pictures are; one that
copies draws nearer ones (Meehan, Chaudhuri and Dasgupta, "A non-parametric test to detect data-copying in generative
models", 2020). A picture is called a *near copy* where it is nearer to its nearest shot than the held-out pictures'
first percentile is to theirs. So about one in a hundred new real pictures is called one too, and what a share exceeds
that by is the generator's doing; a percentile, not the least distance, so that one odd real picture does not decide.

Where no real picture is held out, each shot is, in turn, from the others. Among one shot fewer the nearest is a little
farther off, and of K shots the first percentile is the least distance: the threshold is a coarser one, and says so.

Distances are those of any `Judge`. What a network takes for a copy and what plain pixels do differ: see `pixels`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors.efficientnet import from_levels
from lfsgan_cli.evaluation.metrics.names import require_two

PERCENT = 1
SAME = 1e-5  # a picture's distance from itself stays below: float32 leaves a fifth at most, see `pairwise`

Reference = Literal["held-out pictures", "each shot against the others"]


class NoReferenceError(LfsganError):
    """Nothing that a distance could be called small against."""

    def __init__(self) -> None:
        super().__init__(
            "memorization has nothing to compare with: expected real pictures that are not shots themselves, or two "
            "different shots at least; give more pictures by --reals"
        )


@dataclass(frozen=True)
class Memorization:
    """How near N pictures come to their nearest shots.

    share: of near copies, from 0 to 1; 1 for a memorizer. floor: the share that new real pictures have on average,
    about 0.01 for M references of a hundred and more; for fewer it is 1/(M + 1), around which it varies by as much.
    closer: how often a picture is nearer to the shots than a reference is, over all pairs of the two, ties counting
    half: 0.5 for real pictures, 1 for a memorizer, below 0.5 for pictures that miss the domain.
    nearest, expected: the median distance to the nearest shot, of the pictures and of the references.
    threshold: the distance below which a picture is a near copy. reference: what it rests on; references: how many.
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
    """The index of a picture, that of its nearest shot, and their distance."""

    picture: int
    shot: int
    distance: float


def memorization(pictures: Tensor, shots: Tensor, reals: Tensor | None = None) -> Memorization:
    """That of pictures at distances [N, K] from K shots.

    shots: their distances among themselves, [K, K], for which `reals` [M, K] is preferred: the distances of a real set
    from the shots. Pictures of it that are shots are left out, and where none remains, the shots serve.

    Raises:
        TooFewToMeasureError: no picture, or one.
        NoReferenceError: neither a held-out picture nor two different shots.
    """
    require_two("memorization", len(pictures))
    found = held_out(reals) if reals is not None else shots.new_empty(0)
    if len(found):
        return _judged(pictures, found, "held-out pictures")
    return _judged(pictures, leave_one_out(shots), "each shot against the others")


def closest(pictures: Tensor, count: int) -> list[Pair]:
    """The `count` pictures nearest to a shot, or all, with that shot, nearest first. pictures: distances [N, K]."""
    distances, shots = pictures.min(1)
    order = distances.argsort(stable=True)[:count].tolist()
    return [Pair(index, int(shots[index]), float(distances[index])) for index in order]


def held_out(reals: Tensor) -> Tensor:
    """The distance to the nearest shot of each real picture that is no shot, [M] or fewer. reals: distances [M, K]."""
    nearest = reals.amin(1)
    return nearest[nearest > SAME]


def leave_one_out(shots: Tensor) -> Tensor:
    """The distance of each shot to the nearest other that differs, [K], or [0] for one. shots: distances [K, K]."""
    others = shots.masked_fill(torch.eye(len(shots), dtype=torch.bool, device=shots.device), torch.inf)
    nearest = others.masked_fill(others <= SAME, torch.inf).amin(1)
    return nearest[nearest.isfinite()]


def _judged(pictures: Tensor, references: Tensor, kind: Reference) -> Memorization:
    count = len(references)
    if not count:
        raise NoReferenceError
    nearest, expected = pictures.amin(1).double().cpu(), references.double().cpu().sort().values
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
    not_above = torch.searchsorted(ordered, x, right=True)
    ties = not_above - torch.searchsorted(ordered, x)
    return float((len(ordered) - not_above + ties / 2).double().mean() / len(ordered))


# The plainest judge: the mean squared difference of two pictures, position by position.
#
# A network sees a copy in spite of a shift, but noise of a few levels in even areas, which changes every one of its
# features, hides a copy from it. The plain difference is the other way round: for copies, ask both.


class Pixels:
    """The judge `pixels`. Distances go from 0 to 1, which black has from white; pictures must be of one size."""

    name = "pixels"
    identity = "none"  # it has no weights
    batch = 256

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device

    def embed(self, pictures: Tensor) -> Tensor:
        """pictures: uint8 [N, 3, H, W]. Returns float32 [N, 3HW] on the judge's device."""
        vectors = from_levels(pictures.to(self._device)).flatten(1) / 2
        return vectors / math.sqrt(vectors.shape[1])
