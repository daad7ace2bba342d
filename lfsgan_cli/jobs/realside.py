"""The real pictures of a comparison: looked at once, in this run and the ones before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor

from lfsgan_cli.jobs.looking import Distances, Eye, Features, Seen, features, watch
from lfsgan_cli.jobs.runfolder import machine
from lfsgan_cli.jobs.sets import RESIZE, Found
from lfsgan_cli.metrics.cache import remembered
from lfsgan_cli.metrics.frechet import Statistics, statistics
from lfsgan_cli.metrics.manifold import Manifold, manifold


@dataclass(frozen=True)
class Shots:
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

    eye: Eye
    batch: int
    _known: dict[tuple[str, str | None], RealSide] = field(default_factory=dict)

    def of(self, reals: Found, shots: Shots | None, seen: Seen) -> RealSide:
        """That of a set, with its distances to `shots` if given. seen: told of pictures looked at."""
        place = (reals.identity, shots.identity if shots else None)
        if place not in self._known:
            kept = remembered(self._key(reals, shots), lambda: self._look(reals, shots, seen))
            self._known[place] = RealSide(kept["features"], kept.get("to_shots"), kept.get("pixels"))
        return self._known[place]

    def _look(self, reals: Found, shots: Shots | None, seen: Seen) -> Mapping[str, Tensor]:
        if shots is None:
            return {"features": features(self.eye.extractor, reals, self.batch, seen)}
        gathered, distances = Features(), Distances(shots.embeddings, shots.pixels)
        watch(self.eye, reals, [gathered, distances], self.batch, seen)
        to_shots, pixels = distances.result()
        return {"features": gathered.result(), "to_shots": to_shots, "pixels": pixels}

    def _key(self, reals: Found, shots: Shots | None) -> dict[str, Any]:
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
