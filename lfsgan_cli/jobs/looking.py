"""One pass over a set of pictures, and what is gathered on the way: features, distances, clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lfsgan_cli.jobs.sets import Pictures
from lfsgan_cli.metrics.diversity import Clusters, Diversity
from lfsgan_cli.metrics.efficientnet import EfficientNetFeatures
from lfsgan_cli.metrics.features import Extractor
from lfsgan_cli.metrics.perceptual import EfficientNetJudge, Judge, Views, pairwise
from lfsgan_cli.metrics.pixels import Pixels


@dataclass(frozen=True)
class Eye:
    """What pictures are looked at with.

    extractor: for FID and its like. judge: for perceptual distances. views: both of pictures uint8 [N, 3, R, R], by
    one pass where extractor and judge share a network.
    """

    extractor: Extractor
    judge: Judge
    views: Callable[[Tensor], Views]


def eye(extractor: Extractor, judge: Judge) -> Eye:
    """The two together, sharing what they can."""
    if isinstance(judge, EfficientNetJudge) and isinstance(extractor, EfficientNetFeatures):
        return Eye(extractor, judge, judge.views)
    return Eye(extractor, judge, lambda pictures: Views(extractor(pictures), judge.embed(pictures)))


class Watcher(Protocol):
    """Gathers something of every picture that goes by."""

    def see(self, levels: Tensor, views: Views) -> None:
        """The next pictures, uint8 [n, 3, R, R], and what the eye sees of them."""


class Features:
    """Gathers the features."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []

    def see(self, levels: Tensor, views: Views) -> None:  # noqa: ARG002 - as all watchers
        """Keep theirs."""
        self._parts.append(views.features.cpu())

    def result(self) -> Tensor:
        """[N, D]."""
        return torch.cat(self._parts)


class Distances:
    """Gathers how far pictures are from the shots: to the eye, and pixel by pixel.

    shots: their embeddings by the eye's judge, [K, D]. pixels: by `Pixels`, [K, 3RR].
    """

    def __init__(self, shots: Tensor, pixels: Tensor) -> None:
        self._shots, self._pixels = shots, pixels
        self._plain = Pixels(pixels.device)
        self._seen: list[Tensor] = []
        self._exact: list[Tensor] = []

    def see(self, levels: Tensor, views: Views) -> None:
        """Keep theirs."""
        self._seen.append(pairwise(views.embeddings, self._shots).cpu())
        self._exact.append(pairwise(self._plain.embed(levels), self._pixels).cpu())

    def result(self) -> tuple[Tensor, Tensor]:
        """[N, K] each."""
        return torch.cat(self._seen), torch.cat(self._exact)


class Around:
    """Gathers pictures by their nearest shots, in blocks of `size` pictures; a remainder is left out.

    shots: their embeddings, [K, D].
    """

    def __init__(self, shots: Tensor, blocks: int, size: int) -> None:
        self._clusters = [Clusters(shots) for _ in range(blocks)]
        self._size, self._done = size, 0

    def see(self, levels: Tensor, views: Views) -> None:  # noqa: ARG002 - as all watchers
        """Hand each to the clusters of its block."""
        left = views.embeddings[: self._size * len(self._clusters) - self._done]
        while len(left):
            room = self._size - self._done % self._size
            self._clusters[self._done // self._size].add(left[:room])
            self._done += len(left[:room])
            left = left[room:]

    def result(self) -> list[Diversity]:
        """One for each block."""
        return [clusters.diversity() for clusters in self._clusters]


Seen = Callable[[int], None]


def watch(eye: Eye, pictures: Pictures, watchers: Sequence[Watcher], batch: int, seen: Seen) -> None:
    """Show all pictures to the watchers, in order. seen: told how many were looked at."""
    for levels in pictures.batches(min(batch, eye.judge.batch)):
        views = eye.views(levels)
        for watcher in watchers:
            watcher.see(levels, views)
        seen(len(levels))


def features(extractor: Extractor, pictures: Pictures, batch: int, seen: Seen) -> Tensor:
    """The features alone of all pictures, [N, D]."""
    parts = []
    for levels in pictures.batches(batch):
        parts.append(extractor(levels).cpu())
        seen(len(levels))
    return torch.cat(parts)


def embedded(judge: Judge, pictures: Pictures) -> Tensor:
    """The embeddings of a few pictures: [K, D]."""
    return torch.cat([judge.embed(levels) for levels in pictures.batches(judge.batch)])
