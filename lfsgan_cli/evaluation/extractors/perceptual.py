"""Perceptual distances of images: by EfficientNet-Lite0, and by LPIPS with VGG16.

Both are linear but for a square, so an image becomes one vector, its *embedding*, and the distance is the squared
Euclidean one of two embeddings; all pairs cost one matrix product.

**EfficientNet-Lite0**, in the manner of LPIPS (Zhang et al., 2018) without learned weights: the outputs of the last
blocks at strides 4, 8, 16 and 32 are scaled to unit length over the channels at each position. The squared difference
is summed over the channels, averaged over the positions, and averaged over the four stages: from 0 for equal images to
4 for opposite features everywhere. An embedding takes 0.58 MB at size 224.

**LPIPS by VGG16** (version 0.1), on which published diversities rest: the outputs relu1_2, relu2_2, relu3_3, relu4_3
and relu5_3 are scaled likewise; the squared difference is weighted by channel with learned weights of 0 or more, summed
over the channels, averaged over the positions and summed over the five layers. Pictures of another size than 256x256,
that of the published protocol, are resampled to it as Pillow's bilinear filter does it on levels, antialiased where
they shrink.
"""

from __future__ import annotations

import io
import math
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfsgan_cli.evaluation.extractors.efficientnet import EfficientNetFeatures, EfficientNetLite0, from_levels
from lfsgan_cli.evaluation.extractors.weights import Weights, read
from lfsgan_cli.io import safetensors

_BLOCK = 1 << 14  # dimensions: a float32 sum over more leaves 1e-5 between equal images, if one set is of few


class Embedder(Protocol):
    """A frozen network that embeds images, so that squared Euclidean distances are perceptual ones."""

    @property
    def name(self) -> str:
        """What stands in a metric's name."""

    @property
    def identity(self) -> str:
        """The SHA-256 of the weights' file, in hex."""

    @property
    def batch(self) -> int:
        """How many images it embeds at a time, for memory's sake."""

    def embed(self, images: Tensor) -> Tensor:
        """The embeddings of images uint8 [N, 3, H, W]: float32 [N, D] on the embedder's device."""


class Views(NamedTuple):
    """What one pass gives: features [N, 1280] for FID and the like, embeddings [N, D] for perceptual distances."""

    features: Tensor
    embeddings: Tensor


class EfficientNetEmbedder:
    """The embedder `efficientnet-lite0`, which shares the network of its extractor."""

    batch = 64  # 37 MB of embeddings

    def __init__(self, extractor: EfficientNetFeatures) -> None:
        self.name, self.identity = extractor.name, extractor.identity
        self._extractor = extractor

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 144256] on the extractor's device."""
        return embed(self._extractor.network, self._extractor.prepared(images))

    @torch.no_grad()
    def views(self, images: Tensor) -> Views:
        """The features and the embeddings of images uint8 [N, 3, H, W], both by one pass of the network."""
        network = self._extractor.network
        stages = network.stages(self._extractor.prepared(images))
        return Views(network.pooled(stages), _embedding(stages))


def embed(network: EfficientNetLite0, images: Tensor) -> Tensor:
    """The embeddings of float images [N, 3, H, W] in [-1, 1] (`efficientnet.from_levels` for uint8): [N, D].

    Gradients reach the images. D is 144,256 at the network's size 224, 47,104 at 128, and 11,776 at 64.
    """
    return _embedding(network.stages(images))


def pairwise(a: Tensor, b: Tensor) -> Tensor:
    """The distance of every embedding of a [N, D] to every one of b [M, D]: [N, M].

    By matrix products in the embeddings' own precision, so that float32 leaves less than 2e-6 between equal images.
    """
    lengths = a.square().sum(1)[:, None] + b.square().sum(1)
    blocks = zip(torch.split(a, _BLOCK, 1), torch.split(b, _BLOCK, 1), strict=True)
    products = torch.stack([x @ y.T for x, y in blocks]).sum(0)
    return (lengths - 2 * products).clamp(min=0)


def _embedding(stages: list[Tensor]) -> Tensor:
    scaled = [F.normalize(x, dim=1).flatten(1) / math.sqrt(len(stages) * x[0, 0].numel()) for x in stages]
    return torch.cat(scaled, 1)


VGG = "vgg"
VGG_SIZE = 256
VGG_WEIGHTS = Weights(
    name="vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    option="--vgg-weights",
)
# Configuration D of Simonyan and Zisserman (2015): the widths of the convolutions between one pooling and the next.
_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# LPIPS' own normalisation of images in [-1, 1], and what it adds to a length, which may be 0.
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class LpipsVgg:
    """The embedder `vgg`: an embedding has 8.0 million floats, 32 MB, at size 256.

    size: the side that images are resampled to, a multiple of 16; only numbers at 256 compare with published ones.

    Raises:
        WrongWeightsError, UnreadableWeightsError: `path` is not the file that `weights` describes.
    """

    name = VGG
    batch = 4  # 128 MB of embeddings, and as much of maps on the way

    def __init__(
        self, path: Path, device: torch.device | str = "cpu", weights: Weights = VGG_WEIGHTS, size: int = VGG_SIZE
    ) -> None:
        if size % 16:
            raise ValueError(f"size {size}: expected a multiple of 16, the stride of the last layer")
        self.identity = weights.sha256
        self._size = size
        self._device = device
        self._parts = _parts(read(weights, path)).to(device)
        self._roots = [weight.sqrt()[:, None, None].to(device) for weight in linear_weights()]

    def embed(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, D] on the embedder's device."""
        return self.embed_drawn(from_levels(_resampled(images, self._size).to(self._device)))

    @torch.no_grad()
    def embed_drawn(self, images: Tensor) -> Tensor:
        """The same of images as a generator draws them, neither rounded to levels nor clipped.

        images: float [N, 3, size, size], about -1 to 1, on the embedder's device. No gradient passes.
        """
        shift, scale = (images.new_tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        x = (images - shift) / scale
        layers = []
        for part, root in zip(self._parts, self._roots, strict=True):
            x = part(x)
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + _EPSILON)
            layers.append((unit * (root / math.sqrt(x[0, 0].numel()))).flatten(1))
        return torch.cat(layers, 1)


def linear_weights() -> list[Tensor]:
    """LPIPS' learned weights of the channels, a layer each: float32 [64], [128], [256], [512], [512], none below 0."""
    with as_file(files("lfsgan_cli") / "assets" / "lpips-vgg-linear.safetensors") as path:
        tensors, _metadata = safetensors.read(path)
    return [tensors[f"lin{index}"] for index in range(len(_WIDTHS))]


def _resampled(images: Tensor, size: int) -> Tensor:
    if images.shape[2:] == (size, size):
        return images
    # On the CPU alone torch resamples levels, and then as Pillow does.
    return F.interpolate(images.cpu(), size=(size, size), mode="bilinear", antialias=True)


def _parts(data: bytes) -> nn.ModuleList:
    """The network up to each of the five outputs, of a file's `features.*`; its `classifier.*` is dropped."""
    tensors = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    prefix = "features."
    features = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    with torch.device("meta"):  # no number is drawn from torch's generator
        parts = [nn.Sequential(*_modules(index)) for index in range(len(_WIDTHS))]
    nn.Sequential(*(module for part in parts for module in part)).load_state_dict(features, assign=True)
    return nn.ModuleList(parts).eval().requires_grad_(requires_grad=False)


def _modules(index: int) -> list[nn.Module]:
    """Of the part with that index, in the published order: the modules' places in a row are their names in the file."""
    widths = _WIDTHS[index]
    sources = (_WIDTHS[index - 1][-1] if index else 3, *widths[:-1])
    convolutions = zip(sources, widths, strict=True)
    layers = [(nn.Conv2d(source, width, 3, padding=1), nn.ReLU(inplace=True)) for source, width in convolutions]
    return [*([nn.MaxPool2d(2)] if index else []), *(module for layer in layers for module in layer)]
