"""Inception as clean-fid uses it (Parmar et al., 2022, mode "clean"): the network that published FIDs rest on.

Pictures are resized to 299x299 by `cleanfid.resize` (Pillow, bicubic, floats, clipped to 0…255), then (x - 128) / 128,
then the TorchScript network of NVIDIA's StyleGAN repositories up to its 2048 features.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanfid.resize import build_resizer
from torch import Tensor

from lfsgan_cli.metrics.weights import Weights, read

NAME = "inception"
WEIGHTS = Weights(
    name="inception-2015-12-05.pt",
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    option="--inception-weights",
)


class InceptionFeatures:
    """The extractor `inception`: 2048 features a picture.

    Raises:
        WrongWeightsError, UnreadableWeightsError: `path` is not the file that `weights` describes.
    """

    name = NAME
    dim = 2048

    def __init__(self, path: Path, device: torch.device | str = "cpu", weights: Weights = WEIGHTS) -> None:
        self.identity = weights.sha256
        self._device = device
        self._layers = _layers(read(weights, path), device)
        self._resize = build_resizer("clean")

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures: uint8 [N, 3, H, W]. Returns float32 [N, 2048] on the extractor's device."""
        resized = np.stack([self._resize(picture) for picture in pictures.permute(0, 2, 3, 1).cpu().numpy()])
        x = torch.from_numpy(resized).permute(0, 3, 1, 2).to(self._device)
        features: Tensor = self._layers((x - 128) / 128)
        return features.view(len(pictures), self.dim)


def _layers(data: bytes, device: torch.device | str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript itself, which this file is made of
        network = torch.jit.load(io.BytesIO(data), map_location=device)  # type: ignore[no-untyped-call]
    return network.eval().layers
