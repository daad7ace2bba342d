"""The networks that look at images, one pass of them over a set, and the results that are kept between runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite2Features
from lfsgan_cli.evaluation.extractors.inception import WEIGHTS as INCEPTION
from lfsgan_cli.evaluation.extractors.inception import InceptionFeatures, LegacyInceptionFeatures
from lfsgan_cli.evaluation.extractors.perceptual import VGG_WEIGHTS, EfficientNetEmbedder, Embedder, LpipsVgg
from lfsgan_cli.evaluation.extractors.pixels import PixelFeatures
from lfsgan_cli.evaluation.extractors.weights import cached, locate
from lfsgan_cli.evaluation.registry import Collector, Need
from lfsgan_cli.io import safetensors
from lfsgan_cli.io.files import FileWriteError, cache_folder

ExtractorName: TypeAlias = Literal["auto", "inception", "efficientnet-lite0", "efficientnet-lite2", "pixels-16"]
ExtractorMode: TypeAlias = Literal["clean", "legacy-pytorch"]
EmbedderName: TypeAlias = Literal["auto", "vgg", "efficientnet-lite0"]
Packed: TypeAlias = tuple[NDArray[Any] | None, NDArray[Any] | None, NDArray[Any] | None]
Progress: TypeAlias = Callable[[int], None]  # told how many more images were processed

_INCEPTION: dict[ExtractorMode, type[InceptionFeatures]] = {
    "clean": InceptionFeatures,
    "legacy-pytorch": LegacyInceptionFeatures,
}
_OTHERS: Mapping[str, Callable[[torch.device | str], Extractor]] = {
    one.name: one for one in (EfficientNetFeatures, EfficientNetLite2Features, PixelFeatures)
}


class Extractor(Protocol):
    """A frozen network from uint8 images [N, 3, H, W] to float32 features [N, dim]."""

    @property
    def name(self) -> str:
        """What stands in a metric's name."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the weights' file, in hex."""

    @property
    def dim(self) -> int:
        """The number of features of an image."""

    def __call__(self, images: Tensor) -> Tensor:
        """The features of `images`."""


class ExtractorChoice(NamedTuple):
    """An extractor, and a sentence for the user: what was chosen, and why."""

    extractor: Extractor
    why: str


class LegacyWithoutInceptionError(LfsganError):
    """The legacy mode with an extractor that it does not belong to."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"--fid-mode legacy-pytorch with {name} ({why}): expected inception, which that protocol uses; pass "
            f"--features inception, with {INCEPTION.option} FILE if its weights are not in the cache, or "
            "--fid-mode clean"
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

    mode: how Inception's images are resized; see `inception`. The others have one definition, and go with "clean" only.

    Raises:
        MissingWeightsError, DownloadError: `inception` was asked for, and its weights cannot be had.
        WrongWeightsError, UnreadableWeightsError: the file given or in the cache is not the one expected.
        MissingPackageError: the package with the weights of `efficientnet-lite2` is not installed.
        LegacyWithoutInceptionError: "legacy-pytorch", and it is not Inception that was asked for or is at hand.
    """
    path, why = inception_weights or cached(INCEPTION), "as requested"
    if name == "inception":
        path = locate(INCEPTION, inception_weights, offline=offline)
    elif name == "auto":
        found = inception_weights is not None or path.exists()
        why = (
            f"weights from {str(path)!r}"
            if found
            else (f"no Inception weights at {str(path)!r}; pass {INCEPTION.option} FILE to use them")
        )
        name = "inception" if found else "efficientnet-lite0"
    if name != "inception" and mode == "legacy-pytorch":
        raise LegacyWithoutInceptionError(name, why)
    extractor = _INCEPTION[mode](path, device) if name == "inception" else _OTHERS[name](device)
    return ExtractorChoice(
        extractor, f"Features: {extractor.name} ({why}). Numbers from different extractors cannot be compared."
    )


def pick_embedder(
    name: EmbedderName,
    extractor: Extractor,
    *,
    vgg_weights: Path | None = None,
    offline: bool = True,
    device: torch.device | str = "cpu",
) -> Embedder:
    """The embedder of that name. `auto` takes LPIPS-VGG where its weights are at hand, and never downloads.

    extractor: whose network is shared where it is the same.

    Raises:
        MissingWeightsError, DownloadError: `vgg` was asked for, and its weights cannot be had.
        WrongWeightsError, UnreadableWeightsError: the file given or in the cache is not the one expected.
    """
    if name == "vgg":
        return LpipsVgg(locate(VGG_WEIGHTS, vgg_weights, offline=offline), device)
    path = vgg_weights or cached(VGG_WEIGHTS)
    if name == "auto" and (vgg_weights or path.exists()):
        return LpipsVgg(path, device)
    shared = extractor if isinstance(extractor, EfficientNetFeatures) else EfficientNetFeatures(device)
    return EfficientNetEmbedder(shared)


class Images(Protocol):
    """A set of images in a fixed order."""

    def __len__(self) -> int:
        """How many there are."""

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in order: uint8 [up to `size`, 3, R, R] each, on the CPU."""


class Batch:
    """Some images, uint8 [n, 3, R, R], and what the networks that a metric needs made of them."""

    def __init__(self, images: Tensor, features: Tensor | None = None, embeddings: Tensor | None = None) -> None:
        self.images = images
        self._features, self._embeddings = features, embeddings

    @property
    def features(self) -> Tensor:
        """[n, D]; ValueError if no metric declares that it needs them."""
        if self._features is None:
            raise ValueError("features that no metric needs")
        return self._features

    @property
    def embeddings(self) -> Tensor:
        """[n, D]; ValueError if no metric declares that it needs them."""
        if self._embeddings is None:
            raise ValueError("embeddings that no metric needs")
        return self._embeddings

    @property
    def packed(self) -> Packed:
        """As arrays, to be sent to another process; `unpacked` is the way back."""
        parts = self.images, self._features, self._embeddings
        images, features, embeddings = (None if part is None else part.cpu().numpy() for part in parts)
        return images, features, embeddings

    @classmethod
    def unpacked(cls, packed: Packed) -> Batch:
        """Back from `packed`, on the CPU."""
        images, features, embeddings = (None if part is None else torch.from_numpy(part) for part in packed)
        assert images is not None  # noqa: S101 - a batch has images
        return cls(images, features, embeddings)


CPU = torch.device("cpu")


@dataclass(frozen=True)
class FeatureExtractors:
    """extractor: for FID and the like. embedder: for perceptual distances. device: of both."""

    extractor: Extractor
    embedder: Embedder
    device: torch.device = CPU

    @property
    def arithmetic(self) -> dict[str, Any]:
        """What the last bits of their results depend on, for the keys of the cache."""
        cuda = self.device.type == "cuda"
        return {
            "torch": torch.__version__,
            "device": self.device.type,
            "tf32": cuda and torch.backends.cudnn.allow_tf32,
        }

    def run(self, images: Images, needs: Collection[Need], batch: int, progress: Progress) -> Iterator[Batch]:
        """All images in order, passed through what is needed: `batch` at a time, or fewer for the embedder's memory.

        Extractor and embedder share one pass where they share a network.
        """
        embed = "embeddings" in needs
        for levels in images.batches(self.size(needs, batch)):
            if embed and "features" in needs and self._shared:
                yield Batch(levels, *self._shared.views(levels))
            else:
                features = self.extractor(levels) if "features" in needs else None
                yield Batch(levels, features, self.embedder.embed(levels) if embed else None)
            progress(len(levels))

    def size(self, needs: Collection[Need], batch: int) -> int:
        """How many images are looked at together."""
        return min(batch, self.embedder.batch) if "embeddings" in needs else batch

    def collect(
        self, images: Images, collectors: Iterable[Collector], needs: Collection[Need], batch: int, progress: Progress
    ) -> None:
        """Show all images to the collectors."""
        several = list(collectors)
        for one in self.run(images, needs, batch, progress):
            for collector in several:
                collector.see(one)

    def embedded(self, images: Images) -> Tensor:
        """The embeddings of a few images, [K, D]."""
        return torch.cat([self.embedder.embed(levels) for levels in images.batches(self.embedder.batch)])

    @property
    def _shared(self) -> EfficientNetEmbedder | None:
        if isinstance(self.embedder, EfficientNetEmbedder) and isinstance(self.extractor, EfficientNetFeatures):
            return self.embedder
        return None


@dataclass(frozen=True)
class ExtractorSettings:
    """Which networks metrics use, and where their weights are: the options of `lfsgan evaluate` under their names."""

    features: ExtractorName = "auto"
    fid_mode: ExtractorMode = "clean"
    inception_weights: Path | None = None
    lpips_features: EmbedderName = "auto"
    vgg_weights: Path | None = None
    offline: bool = False

    def load(self, device: torch.device, needs: Collection[Need]) -> tuple[FeatureExtractors, str]:
        """The networks for metrics with these needs, and a line for the user that says which ones they are.

        Raises as `pick_extractor` and `pick_embedder`.
        """
        found = pick_extractor(
            self.features, mode=self.fid_mode, inception_weights=self.inception_weights, offline=self.offline,
            device=device,
        )  # fmt: skip
        name = self.lpips_features if "embeddings" in needs else "efficientnet-lite0"
        embedder = pick_embedder(
            name, found.extractor, vgg_weights=self.vgg_weights, offline=self.offline, device=device
        )
        words = [found.why] if "features" in needs else []
        words += [f"Perceptual distance: {embedder.name}."] if "embeddings" in needs else []
        return FeatureExtractors(found.extractor, embedder, device), " ".join(words)


class FeatureCollector:
    """Features of all images."""

    def __init__(self, extractor: Extractor) -> None:
        self.key: Mapping[str, Any] = {"extractor": extractor.name, "extractor_sha256": extractor.identity}
        self._parts: list[Tensor] = []

    def see(self, batch: Batch) -> None:
        """Add those of a batch."""
        self._parts.append(batch.features.cpu())

    def result(self) -> Tensor:
        """[N, D]."""
        return torch.cat(self._parts)


def features_of_batches(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The features of all images in order, float32 [N, dim] on the CPU. batches: uint8 [n, 3, H, W] each."""
    return torch.cat([torch.empty(0, extractor.dim), *(extractor(batch).cpu() for batch in batches)])


# Results that are kept between runs, each under the hash of what it was computed from.

KEY = "lfsgan.key"
HASH = "modelspec.hash_sha256"


def load_cached(key: Mapping[str, Any]) -> Tensor | None:
    """What `save_cached` left under an equal key; None for none, and for a file that is damaged.

    key: everything that the result depends on, as JSON.
    """
    text = json.dumps(key, sort_keys=True)
    return read_cached(_path(text), text)


def save_cached(key: Mapping[str, Any], value: Tensor) -> None:
    """Keep a result; a cache that cannot be written costs nothing but time."""
    text = json.dumps(key, sort_keys=True)
    path, tensors = _path(text), {"value": value.contiguous()}
    with suppress(OSError, FileWriteError):
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.write(path, tensors, {"format": "pt", KEY: text, HASH: safetensors.content_hash(tensors)})


def read_cached(path: Path, key: str) -> Tensor | None:
    """The value in a file of the cache; None if it is not whole, or of another key."""
    try:
        tensors, metadata = safetensors.read(path)
        content = safetensors.content_hash(tensors)
    except LfsganError:  # no safetensors file, or of types that nothing here writes
        return None
    intact = metadata.get(HASH) == content and safetensors.not_finite(tensors) is None
    return tensors.get("value") if intact and metadata.get(KEY) == key else None


def _path(text: str) -> Path:
    """May be deleted at any time."""
    return cache_folder() / "features" / f"{hashlib.sha256(text.encode()).hexdigest()}.safetensors"
