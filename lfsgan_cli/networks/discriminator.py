"""The residual discriminator: one score for a picture, or features for scores of its patches."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.layers import ActivatedLinear, Conv2d, DownConv2d, DownSkip, Linear, MinibatchStdDev

PATCH_BLOCK = 2  # the third block from the picture: 32×32 features at 256 pixels, as LFS-GAN reads them


class ResBlock(nn.Module):
    """Halves the side: two convolutions beside a shortcut."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(c_in, c_in, 3)
        self.conv2 = DownConv2d(c_in, c_out, 3)
        self.skip = DownSkip(c_in, c_out)

    def residual(self, x: Tensor) -> Tensor:
        """The convolutions alone: [N, C_in, H, W] → [N, C_out, H/2, W/2]."""
        y: Tensor = self.conv2(self.conv1(x))
        return y

    def forward(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] → [N, C_out, H/2, W/2]."""
        y: Tensor = (self.residual(x) + self.skip(x)) / math.sqrt(2)
        return y


class Discriminator(nn.Module):
    """Real or drawn? Karras et al., 2020, with minibatch standard deviation before the last layers.

    The blocks compute in the type of the pictures, the last layers in that of the weights.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths, sides = config.channels, config.sides[::-1]
        self.from_rgb = Conv2d(3, widths[config.resolution], 1)
        self.blocks = nn.ModuleList([ResBlock(widths[side], widths[side // 2]) for side in sides[:-1]])
        self.spread = MinibatchStdDev()
        self.conv = Conv2d(widths[4] + 1, widths[4], 3)
        self.dense = ActivatedLinear(widths[4] * 16, widths[4])
        self.score = Linear(widths[4], 1)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, R, R] → logits [N, 1], positive for real."""
        x = self.from_rgb(images)
        for block in self.blocks:
            x = block(x)
        x = self.conv(self.spread(x.to(self.conv.weight.dtype)))
        logits: Tensor = self.score(self.dense(x.flatten(1)))
        return logits

    def patch_features(self, images: Tensor) -> Tensor:
        """[N, 3, R, R] → the convolutions' output in the patch block, [N, C, R/8, R/8]; runs no deeper than that.

        Features are of the weights' type, so that what scores them may be kept in it.
        """
        x = self.from_rgb(images)
        for block in list(self.blocks)[: self.patch_block]:
            x = block(x)
        features: Tensor = self.blocks[self.patch_block].residual(x)  # type: ignore[operator]
        return features.to(self.conv.weight.dtype)

    @property
    def patch_block(self) -> int:
        """Index of the block that patches are scored from; the last one where pictures are small."""
        return min(PATCH_BLOCK, len(self.blocks) - 1)


class PatchHead(Conv2d):
    """Scores every patch of the discriminator's inner features: one 3×3 convolution to one channel.

    As in LFS-GAN its logits pass through the leaky ReLU.
    """

    def __init__(self, config: NetworkConfig) -> None:
        block = min(PATCH_BLOCK, len(config.sides) - 2)
        super().__init__(config.channels[config.sides[::-1][block + 1]], 1, 3)
