"""The distance of the training images from what a base draws: few-shot adaptation changes a style, not the content."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetLite0, from_levels
from lfsgan_cli.generation.sampling import sample
from lfsgan_cli.networks.generator import Generator

SIZE = 96  # side at which the network compares
STAGE = 2  # of EfficientNet-Lite0, at stride 16: shapes more than texture, not yet objects
SAMPLES = 64
MOST_IMAGES = 50  # training images that are compared
# Measured on `avatars-64-2`: samples of the base itself 1.0, five domains of drawn portraits 1.3 to 1.9, crops of two
# photographs (a temple, a flower) 3.2 to 3.4.
FAR = 2.5


class DomainGap:
    """How far images are from what a base draws. generator: the base's, whose samples are compared with."""

    @torch.no_grad()
    def __init__(self, generator: Generator) -> None:
        self._device = generator.w_mean.device
        self._network = EfficientNetLite0(SIZE).to(self._device)
        batches = sample(generator, range(SAMPLES), batch=32, noise="const")
        self._drawn = torch.cat([self._features(batch) for batch in batches])
        among = torch.cdist(self._drawn, self._drawn).fill_diagonal_(torch.inf).amin(1).median()
        self._among = among.clamp(min=1e-6)

    @torch.no_grad()
    def of(self, images: NDArray[np.uint8]) -> float:
        """The distance of training images, uint8 [K, R, R, 3], as a multiple of how far samples are from each other.

        The median distance of an image from the nearest of 64 samples, divided by that of a sample from the nearest
        other one; distances are between mean features of EfficientNet-Lite0. About 1 for images like the base's own;
        above `FAR`, expect poor results. The first 50 images count.
        """
        ours = self._features(torch.from_numpy(images[:MOST_IMAGES]).permute(0, 3, 1, 2))
        return float(torch.cdist(ours, self._drawn).amin(1).median() / self._among)

    def warning(self, images: NDArray[np.uint8], base: str) -> str | None:
        """What a user must know of images that are far from the base of that name; None if they are near enough."""
        gap = self.of(images)
        if gap <= FAR:
            return None
        return (
            f"these images are unlike what the base {base!r} was trained on (distance {gap:.1f}, usual are up to "
            f"{FAR:g}): expect poor results; a base of your own needs thousands of images, see `lfsgan help pretrain`"
        )

    def _features(self, levels: Tensor) -> Tensor:
        return self._network.stages(from_levels(levels.to(self._device)))[STAGE].mean((2, 3))
