"""Inception, the network that published FIDs rest on, behind the two resizers that they differ by.

Both end in the TorchScript network of NVIDIA's StyleGAN repositories, up to its 2048 features:
- clean, as clean-fid does (Parmar et al., 2022): `cleanfid.resize` (Pillow, bicubic, floats, clipped to 0…255) to
  299x299, then (x - 128) / 128;
- legacy, as pytorch-fid does, and papers that measured with it: levels as 0…1, torch's bilinear interpolation to
  299x299 with align_corners=False and no antialiasing (larger images alias), then 2x - 1.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from cleanfid.resize import build_resizer
from torch import Tensor

from lfsgan_cli.evaluation.extractors.weights import Weights, read

NAME = "inception"
LEGACY_NAME = "inception-legacy"
SIZE = 299
WEIGHTS = Weights(
    name="inception-2015-12-05.pt",
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    option="--inception-weights",
)


def clean(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] to what the network takes, float32 [N, 3, 299, 299] on the CPU, by clean-fid's resizer."""
    resize = build_resizer("clean")
    resized = np.stack([resize(image) for image in images.permute(0, 2, 3, 1).cpu().numpy()])
    return (torch.from_numpy(resized).permute(0, 3, 1, 2) - 128) / 128


def legacy(images: Tensor) -> Tensor:
    """uint8 [N, 3, H, W] to what the network takes, float32 [N, 3, 299, 299], by torch's bilinear interpolation."""
    resized = F.interpolate(images.float() / 255, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    return 2 * resized - 1


class InceptionFeatures:
    """The extractor `inception`: 2048 features an image.

    Raises:
        WrongWeightsError, UnreadableWeightsError: `path` is not the file that `weights` describes.
    """

    name = NAME
    dim = 2048
    prepare = staticmethod(clean)

    def __init__(self, path: Path, device: torch.device | str = "cpu", weights: Weights = WEIGHTS) -> None:
        self.identity = weights.sha256
        self._device = device
        self._layers = _layers(read(weights, path), device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 2048] on the extractor's device."""
        features: Tensor = self._layers(self.prepare(images).to(self._device))
        return features.view(len(images), self.dim)


class LegacyInceptionFeatures(InceptionFeatures):
    """The extractor `inception-legacy`, of pytorch-fid's protocol. Its weights, so its identity, are `inception`'s."""

    name = LEGACY_NAME
    prepare = staticmethod(legacy)


def _layers(data: bytes, device: torch.device | str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit")  # TorchScript itself, which this file is made of
        network = torch.jit.load(io.BytesIO(data), map_location=device)  # type: ignore[no-untyped-call]
    return network.eval().layers
