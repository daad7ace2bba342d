"""One pass over a set of pictures: their features, and how near each is to the shots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lfsgan_cli.jobs.sets import Pictures
from lfsgan_cli.metrics.diversity import Clusters, Diversity
from lfsgan_cli.metrics.efficientnet import EfficientNetFeatures
from lfsgan_cli.metrics.features import Extractor
from lfsgan_cli.metrics.perceptual import EfficientNetJudge, Judge, Views, pairwise


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


@dataclass(frozen=True)
class Look:
    """What was seen of N pictures.

    features: [N, D]. distances: to the shots, [N, K]; diversities: around them, one for each block of pictures.
    Without shots there are no distances and no diversities.
    """

    features: Tensor
    distances: Tensor | None = None
    diversities: Sequence[Diversity] = ()


Seen = Callable[[int], None]


def features(extractor: Extractor, pictures: Pictures, batch: int, seen: Seen) -> Tensor:
    """The features of all pictures, [N, D]. seen: told how many were looked at."""
    return torch.cat([extractor(levels).cpu() for levels in _counted(pictures, batch, seen)])


def features_and_distances(
    eye: Eye, shots: Tensor, pictures: Pictures, batch: int, seen: Seen
) -> tuple[Tensor, Tensor]:
    """The features of all pictures, [N, D], and their distances to the shots' embeddings, [N, K]."""
    seen_features, to_shots = [], []
    for levels in _counted(pictures, min(batch, eye.judge.batch), seen):
        views = eye.views(levels)
        seen_features.append(views.features.cpu())
        to_shots.append(pairwise(views.embeddings, shots).cpu())
    return torch.cat(seen_features), torch.cat(to_shots)


def look(eye: Eye, shots: Tensor, pictures: Pictures, blocks: int, batch: int, seen: Seen) -> Look:
    """Features, distances and diversities at once; `blocks`, equal runs of the pictures, divide their number."""
    around = _Blocks([Clusters(shots) for _ in range(blocks)], len(pictures) // blocks)
    seen_features, seen_distances = [], []
    for levels in _counted(pictures, min(batch, eye.judge.batch), seen):
        views = eye.views(levels)
        seen_features.append(views.features.cpu())
        seen_distances.append(around.add(views.embeddings).cpu())
    diversities = [clusters.diversity() for clusters in around.clusters]
    return Look(torch.cat(seen_features), torch.cat(seen_distances), diversities)


def embedded(judge: Judge, pictures: Pictures) -> Tensor:
    """The embeddings of a few pictures: [K, D]."""
    return torch.cat([judge.embed(levels) for levels in pictures.batches(judge.batch)])


class _Blocks:
    """Hands pictures to the clusters of their block, in order."""

    def __init__(self, clusters: Sequence[Clusters], size: int) -> None:
        self.clusters, self._size, self._done = clusters, size, 0

    def add(self, batch: Tensor) -> Tensor:
        """The distances of the next pictures to the shots, [n, K]."""
        parts = []
        while len(batch):
            room = self._size - self._done % self._size
            parts.append(self.clusters[self._done // self._size].add(batch[:room]))
            self._done += len(parts[-1])
            batch = batch[room:]
        return torch.cat(parts)


def _counted(pictures: Pictures, batch: int, seen: Seen) -> Iterator[Tensor]:
    for levels in pictures.batches(batch):
        yield levels
        seen(len(levels))
