"""The residual discriminator of StyleGAN2: logits of whole images, and features from which patches are scored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.layers import ActivatedLinear, Conv2d, DownConv2d, DownSkip, Linear, MinibatchStdDev

# The convolution that patches are scored from, counted from the image: the second one of the third block, 32×32
# features at 256 pixels, as LFS-GAN reads them.
FIRST_PATCHES = 5


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
        return self.joined(self.residual(x), x)

    def joined(self, residual: Tensor, x: Tensor) -> Tensor:
        """The convolutions' output and the shortcut past them."""
        y: Tensor = (residual + self.skip(x)) / math.sqrt(2)
        return y


class Discriminator(nn.Module):
    """Real or generated? Karras et al., 2020, with minibatch standard deviation before the last layers.

    The blocks compute in the dtype of the images, the last layers in that of the weights.
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

    def forward(self, images: Tensor, sets: int = 1) -> Tensor:
        """[N, 3, R, R] → logits [N, 1], positive for real.

        sets: the number of sets of equal size, one after another; each is scored as if it were alone.
        """
        return self._concluded(_through(self.blocks, self.from_rgb(images)), sets)

    def patch_features(self, images: Tensor, deeper: int = 0) -> Tensor:
        """[N, 3, R, R] → the output of a convolution inside, [N, C, side, side]; runs no deeper than that.

        It is the second one of the patch block, R/8 wide, or `deeper` by so many convolutions.
        Features have the dtype of the weights, so that the layers that score them may have it too.
        """
        block, second = divmod(_patch_convolution(self.config, deeper), 2)
        blocks = cast("list[ResBlock]", list(self.blocks))
        x = _through(blocks[:block], self.from_rgb(images))
        features: Tensor = blocks[block].residual(x) if second else blocks[block].conv1(x)
        return features.to(self.conv.weight.dtype)

    def _concluded(self, x: Tensor, sets: int) -> Tensor:
        alone = x.to(self.conv.weight.dtype).chunk(sets)  # images of a set are compared with each other
        x = self.conv(torch.cat([self.spread(one) for one in alone]))
        logits: Tensor = self.score(self.dense(x.flatten(1)))
        return logits

    def first_blocks(self, count: int) -> Iterator[nn.Module]:
        """The first `count` blocks, and the layer from RGB before them; nothing for 0, all blocks at most."""
        if count:
            yield self.from_rgb
            yield from list(self.blocks)[:count]


def _through(blocks: Iterable[nn.Module], x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


def patch_head(config: NetworkConfig, deeper: int = 0) -> Conv2d:
    """Scores every patch of what `Discriminator.patch_features` returns: one 3×3 convolution to one channel.

    As in LFS-GAN its logits pass through the leaky ReLU.
    """
    block, second = divmod(_patch_convolution(config, deeper), 2)
    side = config.resolution // 2 ** (block + second)
    return Conv2d(config.channels[side], 1, 3)


def block_count(config: NetworkConfig) -> int:
    """The number of blocks, each of two convolutions."""
    return len(config.sides) - 1


def blocks_before_patches(config: NetworkConfig) -> int:
    """The number of blocks before the one that patches are first scored from: two, or fewer."""
    return _patch_convolution(config, 0) // 2


def _patch_convolution(config: NetworkConfig, deeper: int) -> int:
    """Which convolution of the blocks patches are scored from, counted from the image; the last in small networks."""
    return min(FIRST_PATCHES + deeper, 2 * block_count(config) - 1)
