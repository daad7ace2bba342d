"""Which network judges how unlike two pictures look."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from lfsgan_cli.metrics import vgg
from lfsgan_cli.metrics.efficientnet import EfficientNetFeatures
from lfsgan_cli.metrics.features import Extractor
from lfsgan_cli.metrics.perceptual import EfficientNetJudge, Judge
from lfsgan_cli.metrics.weights import cached, locate

Name = Literal["auto", "vgg", "efficientnet-lite0"]


def pick(
    name: Name,
    extractor: Extractor,
    *,
    vgg_weights: Path | None = None,
    offline: bool = True,
    device: torch.device | str = "cpu",
) -> Judge:
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
    return EfficientNetJudge(shared)
