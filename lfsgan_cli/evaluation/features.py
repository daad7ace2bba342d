"""One pass over a set of pictures, and what is gathered on the way: features, distances, clusters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors import inception, vgg
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures
from lfsgan_cli.evaluation.extractors.inception import InceptionFeatures, LegacyInceptionFeatures
from lfsgan_cli.evaluation.extractors.weights import cache_folder, cached, locate
from lfsgan_cli.evaluation.image_sets import Pictures
from lfsgan_cli.evaluation.metrics.diversity import Clusters, Diversity
from lfsgan_cli.evaluation.metrics.memorization import Pixels
from lfsgan_cli.evaluation.metrics.perceptual import EfficientNetEmbedder, Embedder, Views, pairwise
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.files import FileWriteError


@dataclass(frozen=True)
class FeatureExtractors:
    """What pictures are looked at with.

    extractor: for FID and its like. judge: for perceptual distances. views: both of pictures uint8 [N, 3, R, R], by
    one pass where extractor and judge share a network.
    """

    extractor: Extractor
    judge: Embedder
    views: Callable[[Tensor], Views]


def load_extractors(extractor: Extractor, judge: Embedder) -> FeatureExtractors:
    """The two together, sharing what they can."""
    if isinstance(judge, EfficientNetEmbedder) and isinstance(extractor, EfficientNetFeatures):
        return FeatureExtractors(extractor, judge, judge.views)
    return FeatureExtractors(extractor, judge, lambda pictures: Views(extractor(pictures), judge.embed(pictures)))


class Accumulator(Protocol):
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


def accumulate(
    eye: FeatureExtractors, pictures: Pictures, watchers: Sequence[Accumulator], batch: int, seen: Seen
) -> None:
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


def embedded(judge: Embedder, pictures: Pictures) -> Tensor:
    """The embeddings of a few pictures: [K, D]."""
    return torch.cat([judge.embed(levels) for levels in pictures.batches(judge.batch)])


# Which extractor turns pictures into features, and the features of many pictures.


ExtractorName = Literal["auto", "inception", "efficientnet-lite0"]
ExtractorMode = Literal["clean", "legacy-pytorch"]
_INCEPTION: dict[ExtractorMode, type[InceptionFeatures]] = {
    "clean": InceptionFeatures,
    "legacy-pytorch": LegacyInceptionFeatures,
}
_CAUTION = "numbers of two extractors cannot be compared"


class Extractor(Protocol):
    """A frozen network from uint8 pictures [N, 3, H, W] to float32 features [N, dim]."""

    @property
    def name(self) -> str:
        """What stands in a metric's name."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the weights' file, in hex."""

    @property
    def dim(self) -> int:
        """The number of features of a picture."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """The features of `pictures`."""


class ExtractorChoice(NamedTuple):
    """An extractor, and a sentence for the user: what was taken, and why."""

    extractor: Extractor
    why: str


class LegacyWithoutInceptionError(LfsganError):
    """The legacy mode with an extractor that it does not belong to."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"--fid-mode legacy-pytorch with efficientnet-lite0 ({why}): expected inception, which that protocol is "
            f"made of; give --features inception, with {inception.WEIGHTS.option} FILE where its weights are not in "
            "the cache, or --fid-mode clean"
        )


def pick_extractor(
    name: ExtractorName,
    *,
    mode: ExtractorMode = "clean",
    inception_weights: Path | None = None,
    offline: bool = True,
    device: torch.device | str = "cpu",
) -> ExtractorChoice:
    """The extractor of that name. `auto` takes Inception where its weights are at hand, and never downloads.

    mode: how Inception's pictures are resized; see `inception`. EfficientNet has one definition, and only goes with
    "clean".

    Raises:
        MissingWeightsError, DownloadError: `inception` was asked for, and its weights cannot be had.
        WrongWeightsError, UnreadableWeightsError: the file given or in the cache is not the one expected.
        LegacyWithoutInceptionError: "legacy-pytorch", and it is not Inception that was asked for or is at hand.
    """
    if name == "efficientnet-lite0":
        return _efficientnet("as asked", mode, device)
    if name == "inception":
        path = locate(inception.WEIGHTS, inception_weights, offline=offline)
        return _inception("as asked", path, mode, device)
    path = inception_weights or cached(inception.WEIGHTS)
    if inception_weights is None and not path.exists():
        return _efficientnet(f"since inception's weights are not at {str(path)!r}", mode, device)
    return _inception(f"from {str(path)!r}", path, mode, device)


def features_of_batches(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The features of all pictures in order, float32 [N, dim] on the CPU. batches: uint8 [n, 3, H, W] each."""
    return torch.cat([torch.empty(0, extractor.dim), *(extractor(batch).cpu() for batch in batches)])


def _inception(why: str, path: Path, mode: ExtractorMode, device: torch.device | str) -> ExtractorChoice:
    extractor = _INCEPTION[mode](path, device)
    return ExtractorChoice(extractor, f"features by {extractor.name}, {why}; {_CAUTION}")


def _efficientnet(why: str, mode: ExtractorMode, device: torch.device | str) -> ExtractorChoice:
    if mode == "legacy-pytorch":
        raise LegacyWithoutInceptionError(why)
    return ExtractorChoice(EfficientNetFeatures(device), f"features by {EfficientNetFeatures.name}, {why}; {_CAUTION}")


# Features kept between runs, each under the hash of what they were computed from.


KEY = "lfsgan.key"
HASH = "modelspec.hash_sha256"


def remembered(key: Mapping[str, Any], compute: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
    """The tensors that `compute` gives, taken from the cache where a run with an equal key left them.

    key: everything that the result depends on, as JSON. A file that is damaged is replaced.
    """
    text = json.dumps(key, sort_keys=True)
    path = folder() / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
    known = _kept(path, text)
    if known is not None:
        return known
    fresh = compute()
    with suppress(OSError, FileWriteError):  # a cache that cannot be written costs time alone
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.write(path, fresh, {"format": "pt", KEY: text, HASH: safetensors.content_hash(fresh)})
    return fresh


def folder() -> Path:
    """Where the files are; may be deleted at any time."""
    return cache_folder() / "features"


def _kept(path: Path, key: str) -> Mapping[str, Tensor] | None:
    try:
        tensors, metadata = safetensors.read(path)
        content = safetensors.content_hash(tensors)
    except LfsganError:  # no safetensors file, or of types that nothing here writes
        return None
    intact = metadata.get(HASH) == content and safetensors.not_finite(tensors) is None
    return tensors if intact and metadata.get(KEY) == key else None


# Which network judges how unlike two pictures look.


JudgeName = Literal["auto", "vgg", "efficientnet-lite0"]


def pick_embedder(
    name: JudgeName,
    extractor: Extractor,
    *,
    vgg_weights: Path | None = None,
    offline: bool = True,
    device: torch.device | str = "cpu",
) -> Embedder:
    """The judge of that name. `auto` takes LPIPS-VGG where its weights are at hand, and never downloads.

    extractor: whose network is shared where it is the same.

    Raises:
        MissingWeightsError, DownloadError: `vgg` was asked for, and its weights cannot be had.
        WrongWeightsError, UnreadableWeightsError: the file given or in the cache is not the one expected.
    """
    if name == "vgg":
        return vgg.LpipsVgg(locate(vgg.WEIGHTS, vgg_weights, offline=offline), device)
    path = vgg_weights or cached(vgg.WEIGHTS)
    if name == "auto" and (vgg_weights or path.exists()):
        return vgg.LpipsVgg(path, device)
    shared = extractor if isinstance(extractor, EfficientNetFeatures) else EfficientNetFeatures(device)
    return EfficientNetEmbedder(shared)
