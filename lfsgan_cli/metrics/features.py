"""Which extractor turns pictures into features, and the features of many pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from lfsgan_cli.metrics import inception
from lfsgan_cli.metrics.efficientnet import EfficientNetFeatures
from lfsgan_cli.metrics.inception import InceptionFeatures
from lfsgan_cli.metrics.weights import cached, locate

Name = Literal["auto", "inception", "efficientnet-lite0"]
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


def pick(
    name: Name, *, inception_weights: Path | None = None, offline: bool = True, device: torch.device | str = "cpu"
) -> Choice:
    """The extractor of that name. `auto` takes Inception where its weights are at hand, and never downloads.

    Raises:
        MissingWeightsError, DownloadError: `inception` was asked for, and its weights cannot be had.
        WrongWeightsError, UnreadableWeightsError: the file given or in the cache is not the one expected.
    """
    if name == "efficientnet-lite0":
        return Choice(EfficientNetFeatures(device), f"features by efficientnet-lite0, as asked; {_CAUTION}")
    if name == "inception":
        path = locate(inception.WEIGHTS, inception_weights, offline=offline)
        return Choice(InceptionFeatures(path, device), f"features by inception, as asked; {_CAUTION}")
    return _at_hand(inception_weights or cached(inception.WEIGHTS), given=inception_weights is not None, device=device)


def features(extractor: Extractor, batches: Iterable[Tensor]) -> Tensor:
    """The features of all pictures in order, float32 [N, dim] on the CPU. batches: uint8 [n, 3, H, W] each."""
    return torch.cat([torch.empty(0, extractor.dim), *(extractor(batch).cpu() for batch in batches)])


def _at_hand(path: Path, *, given: bool, device: torch.device | str) -> Choice:
    if given or path.exists():
        return Choice(InceptionFeatures(path, device), f"features by inception, from {str(path)!r}; {_CAUTION}")
    why = f"features by efficientnet-lite0, since inception's weights are not at {str(path)!r}; {_CAUTION}"
    return Choice(EfficientNetFeatures(device), why)
