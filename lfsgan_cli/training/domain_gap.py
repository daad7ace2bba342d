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
# Measured on `avatars-64`: samples of the base itself 0.9, five domains of drawn portraits 1.4 to 1.6, crops of two
# photographs (a temple, a flower) 2.4 to 2.7.
FAR = 2.05


@torch.no_grad()
def domain_gap(images: NDArray[np.uint8], generator: Generator) -> float:
    """How far training images are from samples of a base, as a multiple of how far these are from each other.

    The median distance of an image from the nearest of 64 samples, divided by that of a sample from the nearest other
    one; distances are between mean features of EfficientNet-Lite0. About 1 for images like the base's own; above `FAR`,
    expect poor results. images: uint8 [K, R, R, 3]; the first 50 count.
    """
    device = generator.w_mean.device
    network = EfficientNetLite0(SIZE).to(device)

    def features(levels: Tensor) -> Tensor:
        return network.stages(from_levels(levels.to(device)))[STAGE].mean((2, 3))

    drawn = torch.cat([features(batch) for batch in sample(generator, range(SAMPLES), batch=32, noise="const")])
    ours = features(torch.from_numpy(images[:MOST_IMAGES]).permute(0, 3, 1, 2))
    among = torch.cdist(drawn, drawn).fill_diagonal_(torch.inf).amin(1).median()
    return float(torch.cdist(ours, drawn).amin(1).median() / among.clamp(min=1e-6))
