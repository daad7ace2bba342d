"""Faster synthesis for inference: `prepared` computes once what depends on weights alone, `compiled` is torch.compile.

Both return a generator of the same weights without gradients. On a CPU, `prepared` uses Winograd convolutions where
they are faster.
"""

from __future__ import annotations

import copy
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import chain
from typing import Any, Literal, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.networks.generator import Generator, Synthesis
from lfsgan_cli.networks.layers import DemodulatedConv2d, UpConv2d, blur

Convolution = Callable[[Tensor], Tensor]


class Prepared(DemodulatedConv2d):
    """A demodulated convolution, plain or upsampling, whose weight stays as it is: the same result, no gradients."""

    def __init__(self, conv: DemodulatedConv2d, convolution: Convolution) -> None:
        nn.Module.__init__(self)  # parameters are those of `conv`
        self.affine, self.scale = conv.affine, conv.scale
        self._energy, self._convolution = conv.energy(), convolution

    def energy(self) -> Tensor:
        """That of the weight as it was."""
        return self._energy

    def convolve(self, x: Tensor) -> Tensor:
        """By the implementation that was chosen."""
        return self._convolution(x)


@torch.no_grad()
def prepared(generator: Generator, dtype: torch.dtype) -> Generator:
    """The same generator, prepared for feature maps of `dtype`; the one passed in is left as it is.

    Layers share everything with the original except the kernels. These take as much memory again, and those of
    `Winograd` four times as much. A generator with an adapter that hooks into layers is returned as it is.
    """
    if not isinstance(generator.synthesis, Synthesis):
        return generator
    shared = chain(generator.synthesis.parameters(), generator.synthesis.buffers())
    synthesis = copy.deepcopy(generator.synthesis, {id(tensor): tensor for tensor in shared})
    for layer, side in zip(synthesis.convs, generator.config.noise_sides, strict=True):
        conv = cast("DemodulatedConv2d", layer.conv)  # as `Synthesis` builds them
        kernel = conv.weight.detach()[0].to(dtype)
        if isinstance(conv, UpConv2d):
            convolution: Convolution = partial(_up, _laid_out(kernel.transpose(0, 1)))
        elif pays(kernel, side):
            convolution = Winograd(kernel, side)
        else:
            convolution = partial(_plain, _laid_out(kernel))
        layer.conv = Prepared(conv, convolution)
    ready = Generator(generator.mapping, synthesis, generator.config)
    ready.w_mean = generator.w_mean
    return ready


def _laid_out(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)


def _plain(kernel: Tensor, x: Tensor) -> Tensor:
    return F.conv2d(x, kernel, padding=1)


def _up(kernel: Tensor, x: Tensor) -> Tensor:
    return blur(F.conv_transpose2d(x, kernel, stride=2), padding=1, gain=4.0)


# Winograd convolutions, F(4×4, 3×3) of Lavin & Gray (2016): 3×3 convolutions with a quarter of the multiplications.
#
# A tile of 4×4 results needs 6×6 inputs. Inputs and kernel are taken as polynomials and evaluated at the points 0, 1,
# -1, 2, -2 and infinity, in either direction; at each of these 36 points the convolution is a plain matrix product of
# the channels, and its results at the points give the tile's. Rounding is about four times that of the plain
# convolution.

TILE, POINTS = 4, 6  # results and inputs of a tile, in one direction
TILES = 256  # computed at once: their channels at all points stay near the processor (docs/performance.md)
LEAST_CHANNELS, LEAST_SIDE = 128, 16  # below either, the plain convolution is as fast (docs/performance.md)

# The kernel's three taps at the points; the inputs' and results' matrices are written out in the code below.
_KERNEL = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # each by 24


def pays(weight: Tensor, side: int) -> bool:
    """Whether Winograd is available and faster than torch's own for a kernel [C_out, C_in, k, k] on maps of `side`.

    The matrix products are oneDNN's, called as torch.compile calls them; this is not torch's public interface.
    """
    c_out, c_in, *kernel = weight.shape
    fits = kernel == [3, 3] and min(c_out, c_in) >= LEAST_CHANNELS and side >= LEAST_SIDE and side % TILE == 0
    return fits and weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_products()


class Winograd:
    """A zero-padded convolution of maps of one size with a fixed kernel; no gradients.

    kernel: [C_out, C_in, 3, 3]; side: of the maps, 4·2ⁿ. Stores four times the kernel's size. While it computes, it
    takes up to 150 kB a channel, and the maps' size again.
    """

    def __init__(self, kernel: Tensor, side: int) -> None:
        self.c_out, self.c_in = kernel.shape[:2]
        self.side = side
        self.rows = max(1, min(side, TILES * TILE * TILE // side))  # of a band, which has `TILES` tiles or a map's
        self.kernel = _packed(_at_points(kernel), self.rows * side // TILE**2)

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C_in, side, side] → [N, C_out, side, side] in channels_last, fp32."""
        padded = x.new_zeros(len(x), self.side + 2, self.side + 2, self.c_in)
        padded[:, 1:-1, 1:-1] = x.permute(0, 2, 3, 1)
        out = x.new_empty(len(x), self.side, self.side, self.c_out)
        for image, result in zip(padded, out, strict=True):
            for first in range(0, self.side, self.rows):
                last = first + self.rows
                at_points = _to_points(image[first : last + POINTS - TILE])
                _from_points(self._products(at_points), result[first:last])
        return out.permute(0, 3, 1, 2)

    def _products(self, x: Tensor) -> Tensor:
        """[…, 6, 6, C_in] → […, 6, 6, C_out]: one matrix product at each point, as a grouped 1×1 convolution."""
        points = POINTS * POINTS
        flat = x.view(1, -1, 1, points * self.c_in).permute(0, 3, 1, 2)  # [1, 36·C_in, tiles, 1] in channels_last
        product: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            flat, self.kernel, None, [0, 0], [1, 1], [1, 1], points, "none", [], ""
        )
        return product.permute(0, 2, 3, 1).view(*x.shape[:-1], self.c_out)


def _at_points(kernel: Tensor) -> Tensor:
    """[C_out, C_in, 3, 3] → [36, C_out, C_in]."""
    taps = torch.tensor(_KERNEL, dtype=torch.float64, device=kernel.device) / 24
    at_points = kernel.double().flatten(2) @ torch.kron(taps, taps).T
    return at_points.permute(2, 0, 1).to(kernel.dtype)


def _packed(kernels: Tensor, tiles: int) -> Tensor:
    """[36, C_out, C_in] in the order that oneDNN's grouped 1×1 convolution of so many tiles reads; opaque.

    For another number of tiles oneDNN would bring them into another order, in every call, which takes far longer.
    """
    points, _, c_in = kernels.shape
    reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001
    grouped = kernels.reshape(-1, c_in, 1, 1).to_mkldnn()
    ordered: Tensor = reorder(grouped, [0, 0], [1, 1], [1, 1], points, [1, points * c_in, tiles, 1])
    return ordered


def _to_points(x: Tensor) -> Tensor:
    """Inputs [4·rows + 2, 4·columns + 2, C] → [rows, columns, 6, 6, C]."""
    height, width, channels = x.shape
    rows, columns = height // TILE, width // TILE
    half = x.new_empty(POINTS, rows, width, channels)
    _six([x[tap::TILE][:rows] for tap in range(POINTS)], half)
    out = x.new_empty(rows, columns, POINTS, POINTS, channels)
    _six([half[:, :, tap::TILE][:, :, :columns] for tap in range(POINTS)], out.permute(3, 2, 0, 1, 4))
    return out


def _from_points(x: Tensor, out: Tensor) -> None:
    """Results at the points, [rows, columns, 6, 6, C], into `out`, [4·rows, 4·columns, C]."""
    rows, columns, _, _, channels = x.shape
    half = x.new_empty(TILE, rows, columns, POINTS, channels)
    _four(x.unbind(2), half)
    tiles = out.view(rows, TILE, columns, TILE, channels)
    _four(half.unbind(3), tiles.permute(3, 1, 0, 2, 4))


def _six(d: Sequence[Tensor], out: Tensor) -> None:
    """Six inputs in a row at the six points, which `out` has first: the matrix Bᵀ of the paper."""
    even, odd = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(even.sub_(d[2]), d[0], alpha=4, out=out[0])
    torch.sub(odd.neg_().add_(d[5]), d[3], alpha=4, out=out[5])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])


def _four(m: Sequence[Tensor], out: Tensor) -> None:
    """Four results in a row, which `out` has first, from those at the six points: the matrix Aᵀ of the paper."""
    even, odd = m[1] + m[2], m[1] - m[2]
    even2, odd2 = m[3] + m[4], m[3] - m[4]
    torch.add(odd, odd2, alpha=2, out=out[1])
    torch.add(even, even2, alpha=4, out=out[2])
    torch.add(odd.add_(odd2, alpha=8), m[5], out=out[3])
    torch.add(even.add_(even2), m[0], out=out[0])


def _has_products() -> bool:
    nn = torch._C._nn  # noqa: SLF001
    return (
        platform.machine() in {"x86_64", "AMD64"}
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(nn, "mkldnn_reorder_conv2d_weight")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


# torch.compile: it takes a while to start and is faster then, which pays for many images.

Choice: TypeAlias = Literal["auto", "on", "off"]

PAYS = 20_000 * 64 * 64  # pixels: compiling takes as long as it saves in so many (docs/performance.md)
WIDEST = 64  # pixels up to which a compiled synthesis is faster on a CPU than a prepared one, which is ready at once
COMPILERS = ("c++", "g++", "clang++", "cl")
C_COMPILERS = ("cc", "gcc", "clang", "cl")


class NoCompilerError(LfsganError):
    """The compiler that torch.compile needs is not there."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"--compile on: {missing} was not found on this machine; install it, or pass --compile off")


def is_worth_it(choice: Choice, images: int, side: int, device: torch.device) -> bool:
    """Whether to compile for so many images of `side` pixels; `auto` does where it pays and a compiler is there.

    NoCompilerError for `on` without a compiler.
    """
    missing = _missing(device)
    if choice == "on" and missing:
        raise NoCompilerError(missing)
    gains = (device.type != "cpu" or side <= WIDEST) and images * side * side >= PAYS
    return choice == "on" or (choice == "auto" and not missing and gains)


class Compiled(nn.Module):
    """A synthesis that is compiled for batches of one size; any other size runs uncompiled."""

    def __init__(self, synthesis: nn.Module, batch: int) -> None:
        super().__init__()
        self.plain, self.batch = synthesis, batch
        self.fast = torch.compile(synthesis, dynamic=False)

    def forward(self, ws: Tensor, noise: Sequence[Tensor] | None = None, *, dtype: torch.dtype | None = None) -> Tensor:
        """As `Synthesis`."""
        synthesis = self.fast if len(ws) == self.batch else self.plain
        image: Tensor = synthesis(ws, noise, dtype=dtype)
        return image


def compiled(generator: Generator, batch: int) -> Generator:
    """The same generator, compiled for batches of one size; the one passed in is left as it is.

    A generator with an adapter that hooks into layers is returned uncompiled: torch.compile would not see the hooks.
    """
    if not isinstance(generator.synthesis, Synthesis):
        return generator
    fast = Generator(generator.mapping, Compiled(generator.synthesis, batch), generator.config)
    fast.w_mean = generator.w_mean
    return fast


def _missing(device: torch.device) -> str:
    """What compiling for a device needs and does not find, in words; '' if nothing."""
    if device.type == "cuda" and not find_spec("triton"):
        return "the package triton"
    # Triton itself compiles a small library in C.
    variable, compilers = ("CC", C_COMPILERS) if device.type == "cuda" else ("CXX", COMPILERS)
    found = any(map(shutil.which, filter(None, (os.environ.get(variable, ""), *compilers))))
    return "" if found else f"a {'C' if device.type == 'cuda' else 'C++'} compiler"
