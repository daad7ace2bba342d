"""A synthesis made ready to draw: what depends on its weights alone is computed once instead of in every call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfsgan_cli.networks.generator import Generator, Synthesis
from lfsgan_cli.networks.layers import DemodulatedConv2d, UpConv2d
from lfsgan_cli.networks.ops import blur
from lfsgan_cli.networks.winograd import Winograd, pays

Convolution = Callable[[Tensor], Tensor]


class Prepared(DemodulatedConv2d):
    """A demodulated convolution, plain or up, whose weight will not change: the same result, and no gradients."""

    def __init__(self, conv: DemodulatedConv2d, convolution: Convolution) -> None:
        nn.Module.__init__(self)  # parameters are those of `conv`
        self.affine, self.scale = conv.affine, conv.scale
        self._energy, self._convolution = conv.energy(), convolution

    def energy(self) -> Tensor:
        """As it was."""
        return self._energy

    def convolve(self, x: Tensor) -> Tensor:
        """In the form that was chosen."""
        return self._convolution(x)


@torch.no_grad()
def prepared(generator: Generator, dtype: torch.dtype) -> Generator:
    """The same generator, ready to draw with feature maps of `dtype`; the one passed in is left as it is.

    Every layer is in its place, and shares what it has with the original but the kernels. They take as much memory
    again, and those that `Winograd` convolves with four times as much. An overlay is given back as it is.
    """
    if not isinstance(generator.synthesis, Synthesis):
        return generator
    shared = chain(generator.synthesis.parameters(), generator.synthesis.buffers())
    synthesis = copy.deepcopy(generator.synthesis, {id(tensor): tensor for tensor in shared})
    for layer, side in zip(synthesis.convs, generator.config.noise_sides, strict=True):
        conv = cast("DemodulatedConv2d", layer.conv)  # as `Synthesis` builds them
        layer.conv = Prepared(conv, _form(conv, side, dtype))
    ready = Generator(generator.mapping, synthesis, generator.config)
    ready.w_mean = generator.w_mean
    return ready


def _form(conv: DemodulatedConv2d, side: int, dtype: torch.dtype) -> Convolution:
    """The fastest known for a layer that gives maps of `side`."""
    kernel = conv.weight.detach()[0].to(dtype)
    if isinstance(conv, UpConv2d):
        return partial(_up, _laid_out(kernel.transpose(0, 1)))
    if pays(kernel, side):
        return Winograd(kernel, side)
    return partial(_plain, _laid_out(kernel))


def _laid_out(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _plain(kernel: Tensor, x: Tensor) -> Tensor:
    return F.conv2d(x, kernel, padding=1)


def _up(kernel: Tensor, x: Tensor) -> Tensor:
    return blur(F.conv_transpose2d(x, kernel, stride=2), padding=1, gain=4.0)
