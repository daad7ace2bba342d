"""CAM: the continual adaptation modules of CAM-GAN (Varshney et al., 2021), carried over to StyleGAN2."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from lfsgan_cli.adapter import Adapter
from lfsgan_cli.networks.layers import DemodulatedConv2d

POINTWISE_GROUPS = 8
CALIBRATION_WIDTH = 8  # channels in each group of the calibrating convolution


class Branch(nn.Module):
    """y + GWC(y) + PWC(y) + tanh(Cal(y)): grouped 3×3, grouped 1×1 and calibrating 3×3 convolutions without bias.

    All are initialized to zero, so that the branch starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groupwise = _zero_conv(channels, 3, channels // _group_width(channels))
        self.pointwise = _zero_conv(channels, 1, POINTWISE_GROUPS)
        self.calibration = _zero_conv(channels, 3, channels // CALIBRATION_WIDTH)

    def forward(self, _x: Tensor, y: Tensor) -> Tensor:
        """y: [N, C, H, W], the convolution's output."""
        branch: Tensor = self.groupwise(y) + self.pointwise(y) + self.calibration(y).tanh()
        return y + branch


class CAM(Adapter):
    """Adds small grouped convolutions after every 3×3 convolution; changes feature maps, so it cannot be merged."""

    lr = 0.0005  # at 0.002 it collapsed to blank images in four of five test domains (docs/benchmarks.md)
    paper = "CAM-GAN, Varshney et al., 2021"
    formula = "y' = y + GWC(y) + PWC(y) + tanh(Cal(y))"

    @dataclass(frozen=True)
    class Config:
        """CAM has no options."""

    def __init__(self, network: nn.Module, config: Config) -> None:  # noqa: ARG002 - the contract's signature
        super().__init__()
        for name, layer in network.named_modules():
            if isinstance(layer, DemodulatedConv2d):
                self.features[name] = Branch(layer.weight.shape[1])


def _group_width(channels: int) -> int:
    """Channels in each group of the groupwise convolution, as in CAM-GAN's code."""
    return {1024: 64, 512: 32}.get(channels, 16)


def _zero_conv(channels: int, kernel: int, groups: int) -> nn.Conv2d:
    # Where the wanted number of groups does not divide the channels, the next smaller one that does.
    divisor = max(number for number in range(1, max(1, min(groups, channels)) + 1) if channels % number == 0)
    conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=divisor, bias=False)
    nn.init.zeros_(conv.weight)
    return conv
