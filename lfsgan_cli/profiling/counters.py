"""What a machine can do at best, measured: convolutions and copies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import conv_flop_count, flop_registry

CHANNELS, SIDE, KERNEL = 256, 64, 3  # wide enough for every processor, small enough to be over at once
PICTURES = {"cpu": 4}
MANY_PICTURES = 64  # on anything with more arithmetic than a CPU
COPIED = {"cpu": 2**28}  # bytes, beyond any cache
MUCH_COPIED = 2**30

Bound = Literal["arithmetic", "memory", "overhead"]


@dataclass(frozen=True)
class Peaks:
    """conv_fp32, conv_bf16: floating-point operations a second; copy: bytes read and written a second.

    The fastest run of each counts: whatever else the machine does can only slow it down.
    """

    conv_fp32: float
    conv_bf16: float
    copy: float

    def arithmetic(self, work: Work) -> float:
        """Seconds that its operations take at the convolutions' peaks, each in its own number type."""
        return (work.flops - work.half) / self.conv_fp32 + work.half / self.conv_bf16

    def bound(self, seconds: float, work: Work) -> Bound:
        """What binds a piece of work that took so long.

        Roofline (Williams et al., 2009) without overlap: arithmetic or memory, whichever alone takes longer at its
        peak; where both together explain less than half of the time, it goes into many small operations.
        """
        arithmetic, memory = self.arithmetic(work), work.bytes / self.copy
        if arithmetic + memory < seconds / 2:
            return "overhead"
        return "arithmetic" if arithmetic >= memory else "memory"

    def to_json(self) -> dict[str, float]:
        """As plain JSON values."""
        return asdict(self)


@torch.inference_mode()
def measure_peaks(device: torch.device, seconds: float) -> Peaks:
    """Each for so many seconds."""
    flops = conv_flops(device)
    return Peaks(
        conv_fp32=flops / _fastest(_convolution(device, torch.float32), device, seconds),
        conv_bf16=flops / _fastest(_convolution(device, torch.bfloat16), device, seconds),
        copy=2 * _copied(device) / _fastest(_copy(device), device, seconds),
    )


def conv_flops(device: torch.device) -> int:
    """Operations of the convolution that is measured."""
    return 2 * PICTURES.get(device.type, MANY_PICTURES) * (CHANNELS * KERNEL * SIDE) ** 2


def _convolution(device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    count = PICTURES.get(device.type, MANY_PICTURES)
    x = torch.ones(count, CHANNELS, SIDE, SIDE, device=device, dtype=dtype)
    weight = torch.ones(CHANNELS, CHANNELS, KERNEL, KERNEL, device=device, dtype=dtype)
    x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    return lambda: F.conv2d(x, weight, padding=KERNEL // 2)


def _copied(device: torch.device) -> int:
    return COPIED.get(device.type, MUCH_COPIED)


def _copy(device: torch.device) -> Callable[[], object]:
    source = torch.ones(_copied(device), dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return lambda: target.copy_(source)


def _fastest(action: Callable[[], object], device: torch.device, seconds: float) -> float:
    action()
    return min(rounds(action, device, seconds))


# Counts what a piece of work asks of a machine: floating-point operations, and bytes that its operations touch.


aten = torch.ops.aten
HALF = 2  # bytes
_ALLOCATIONS = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided}


@dataclass(frozen=True)
class Work:
    """flops: of convolutions and matrix products, a multiplication and an addition being two; the rest is not counted.

    half: those of them that are on 16-bit numbers.
    bytes: sizes of every operation's inputs and outputs; views are free, and nothing is supposed to stay in a cache.
    """

    flops: int
    bytes: int
    half: int = 0

    def __sub__(self, other: Work) -> Work:
        return Work(self.flops - other.flops, self.bytes - other.bytes, self.half - other.half)


def counted(action: Callable[[], object]) -> Work:
    """What running `action` once takes; it is run, gradients included."""
    with _Counting() as counting:
        action()
    return Work(counting.flops, counting.bytes, counting.half)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what operations compute, read and write.

    With torch's own formulas, but not by its `FlopCounterMode`: that one follows modules with hooks which do not bear
    the gradients of gradients that R1 and path length need, and it forgets groups in the gradients of weights.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.half = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func.overloadpacket not in flop_registry:
            with self:  # in inference mode, what is made of other operations has not been taken apart yet
                result = func.decompose(*args, **given)
            if result is not NotImplemented:
                return result
        result = func(*args, **given)
        flops = _flops(func.overloadpacket, args, given, result)
        self.flops += flops
        self.half += flops if flops and args[0].dtype.itemsize == HALF else 0
        if not func.is_view and func.overloadpacket not in _ALLOCATIONS:
            self.bytes += sum(map(_size, tree_leaves((args, given, result))))
        return result


def _flops(operation: Any, args: Any, given: Any, result: object) -> int:
    if operation is aten.convolution_backward:
        return _backward(*args)
    return int(flop_registry[operation](*args, **given, out_val=result)) if operation in flop_registry else 0


def _backward(grad: Tensor, x: Tensor, weight: Tensor, *rest: Any) -> int:
    """A convolution's gradients: each of those of input and weight takes what the convolution took."""
    transposed, wanted = rest[4], rest[7]
    once: int = conv_flop_count(list(x.shape), list(weight.shape), list(grad.shape), transposed)
    return once * sum(map(bool, wanted[:2]))


def _size(value: object) -> int:
    """In bytes; what is only spread over a shape (`expand`) counts once."""
    if not isinstance(value, Tensor):
        return 0
    return min(value.numel() * value.element_size(), value.untyped_storage().nbytes())


# How long an action takes on a device.


LEAST = 2  # rounds, however long they take


def rounds(action: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """The duration in seconds of each of as many runs as fit into `seconds`, at least two; warm it up before."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    wait(device)
    while len(durations) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        action()
        wait(device)
        durations.append(time.perf_counter() - start)
    return durations


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
