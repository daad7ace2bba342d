"""Which extractor turns pictures into features, and the features of many pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.metrics import inception
from lfsgan_cli.metrics.efficientnet import EfficientNetFeatures
from lfsgan_cli.metrics.inception import InceptionFeatures, LegacyInceptionFeatures
from lfsgan_cli.metrics.weights import cached, locate

Name = Literal["auto", "inception", "efficientnet-lite0"]
Mode = Literal["clean", "legacy-pytorch"]
_INCEPTION: dict[Mode, type[InceptionFeatures]] = {
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


class Choice(NamedTuple):
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


def pick(
    name: Name,
    *,
    mode: Mode = "clean",
    inception_weights: Path | None = None,
    offline: bool = True,
    device: torch.device | str = "cpu",
) -> Choice:
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


def features(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The features of all pictures in order, float32 [N, dim] on the CPU. batches: uint8 [n, 3, H, W] each."""
    return torch.cat([torch.empty(0, extractor.dim), *(extractor(batch).cpu() for batch in batches)])


def _inception(why: str, path: Path, mode: Mode, device: torch.device | str) -> Choice:
    extractor = _INCEPTION[mode](path, device)
    return Choice(extractor, f"features by {extractor.name}, {why}; {_CAUTION}")


def _efficientnet(why: str, mode: Mode, device: torch.device | str) -> Choice:
    if mode == "legacy-pytorch":
        raise LegacyWithoutInceptionError(why)
    return Choice(EfficientNetFeatures(device), f"features by {EfficientNetFeatures.name}, {why}; {_CAUTION}")
