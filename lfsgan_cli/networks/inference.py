"""3×3 convolutions with a quarter of the multiplications, for drawing on a CPU: F(4×4, 3×3) of Lavin & Gray (2016).

A tile of 4×4 results needs 6×6 inputs. Inputs and kernel are taken as polynomials and evaluated at the points 0, 1, -1,
2, -2 and infinity, in either direction; at each of these 36 points the convolution is a plain matrix product of the
channels, and its results at the points give the tile's. Rounding is about four times that of the plain convolution.
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

TILE, POINTS = 4, 6  # results and inputs of a tile, in one direction
TILES = 256  # computed at once: their channels at all points stay near the processor (docs/performance.md)
LEAST_CHANNELS, LEAST_SIDE = 128, 16  # below either, the plain convolution is as fast (docs/performance.md)

# The kernel's three taps at the points; the inputs' and results' matrices are written out in the code below.
_KERNEL = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # each by 24


def pays(weight: Tensor, side: int) -> bool:
    """Whether this is faster than torch's own for a kernel [C_out, C_in, k, k] on maps of `side`, and can be done.

    The matrix products are oneDNN's, by the door that torch.compile uses; it is not torch's public interface.
    """
    c_out, c_in, *kernel = weight.shape
    fits = kernel == [3, 3] and min(c_out, c_in) >= LEAST_CHANNELS and side >= LEAST_SIDE and side % TILE == 0
    return fits and weight.device.type == "cpu" and weight.dtype == torch.float32 and _has_products()


class Winograd:
    """A convolution with zero padding of maps of one size, with a kernel that stays as it is; no gradients.

    kernel: [C_out, C_in, 3, 3]; side: of the maps, 4·2ⁿ. Keeps four times the kernel's size, and takes up to 150 kB for
    each channel, and the maps' size again, while it computes.
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
        for picture, result in zip(padded, out, strict=True):
            for first in range(0, self.side, self.rows):
                last = first + self.rows
                at_points = _to_points(picture[first : last + POINTS - TILE])
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


# A synthesis made ready to draw: what depends on its weights alone is computed once instead of in every call.


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


# Drawing through `torch.compile`, which takes a while to begin and draws faster then: worth it for many pictures.


Choice: TypeAlias = Literal["auto", "on", "off"]

PAYS = 20_000 * 64 * 64  # pixels: compiling takes as long as it saves in so many (docs/performance.md)
WIDEST = 64  # pixels up to which compiled drawing is faster on a CPU than prepared drawing, which is ready at once
COMPILERS = ("c++", "g++", "clang++", "cl")


class NoCompilerError(LfsganError):
    """What torch.compile makes its programs with is not there."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"--compile on: {missing} was not found on this machine; install it, or draw with --compile off"
        )


def is_worth_it(choice: Choice, pictures: int, side: int, device: torch.device) -> bool:
    """Whether to compile for that many pictures of `side` pixels; `auto` does where it pays and can be done.

    NoCompilerError for `on` where it cannot be done.
    """
    missing = _missing(device)
    if choice == "on" and missing:
        raise NoCompilerError(missing)
    gains = (device.type != "cpu" or side <= WIDEST) and pictures * side * side >= PAYS
    return choice == "on" or (choice == "auto" and not missing and gains)


class Compiled(nn.Module):
    """A synthesis that draws batches of one size by a compiled program, and any other by the plain one."""

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

    An overlay is given back uncompiled: torch.compile would not see the hooks that it sets while it runs.
    """
    if not isinstance(generator.synthesis, Synthesis):
        return generator
    fast = Generator(generator.mapping, Compiled(generator.synthesis, batch), generator.config)
    fast.w_mean = generator.w_mean
    return fast


def _missing(device: torch.device) -> str:
    """What is needed to compile for a device and not there, in words; '' if nothing."""
    if device.type == "cuda":
        return "" if find_spec("triton") else "the package triton"
    named = os.environ.get("CXX", "")
    return "" if any(map(shutil.which, filter(None, (named, *COMPILERS)))) else "a C++ compiler"
