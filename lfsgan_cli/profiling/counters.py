"""Counts the operations and bytes of an action, times it, and measures the peak throughput of a device."""

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

CHANNELS, SIDE, KERNEL = 256, 64, 3  # of the peak convolution: wide enough for any processor, and quickly done
CONV_BATCH = {"cpu": 4}  # images in it
GPU_CONV_BATCH = 64
COPY_BYTES = {"cpu": 2**28}  # larger than any cache
GPU_COPY_BYTES = 2**30
MIN_RUNS = 2  # of a timed action, however long they take

Bound = Literal["arithmetic", "memory", "overhead"]
aten = torch.ops.aten
_ALLOCATIONS = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided}


@dataclass(frozen=True)
class Work:
    """flops: of convolutions and matrix products; a multiplication and an addition count as two, the rest as none.

    half: those of them in 16-bit precision.
    bytes: sizes of every operation's inputs and outputs. Views are free, and no cache is assumed.
    """

    flops: int
    bytes: int
    half: int = 0

    def __sub__(self, other: Work) -> Work:
        return Work(self.flops - other.flops, self.bytes - other.bytes, self.half - other.half)


@dataclass(frozen=True)
class Peaks:
    """conv_fp32, conv_bf16: floating-point operations per second; copy: bytes read and written per second.

    The fastest run of each counts: other load on the machine can only slow it down.
    """

    conv_fp32: float
    conv_bf16: float
    copy: float

    def arithmetic(self, work: Work) -> float:
        """Seconds that the operations take at the peaks of the convolutions, each in its own precision."""
        return (work.flops - work.half) / self.conv_fp32 + work.half / self.conv_bf16

    def bound(self, seconds: float, work: Work) -> Bound:
        """The bottleneck of work that took so long.

        Roofline model (Williams et al., 2009) without overlap: arithmetic or memory, whichever takes longer at its
        peak. Where both together explain less than half of the time, the rest is the overhead of small operations.
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
    """Measure each of them for so many seconds."""
    size = COPY_BYTES.get(device.type, GPU_COPY_BYTES)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)

    def fastest(action: Callable[[], object]) -> float:
        action()
        return min(time_runs(action, device, seconds))

    return Peaks(
        conv_fp32=conv_flops(device) / fastest(peak_convolution(device, torch.float32)),
        conv_bf16=conv_flops(device) / fastest(peak_convolution(device, torch.bfloat16)),
        copy=2 * size / fastest(lambda: target.copy_(source)),
    )


def conv_flops(device: torch.device) -> int:
    """Operations of the convolution that measures the peak."""
    return 2 * CONV_BATCH.get(device.type, GPU_CONV_BATCH) * (CHANNELS * KERNEL * SIDE) ** 2


def peak_convolution(device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """The convolution that measures the peak, ready to run."""
    count = CONV_BATCH.get(device.type, GPU_CONV_BATCH)
    x = torch.ones(count, CHANNELS, SIDE, SIDE, device=device, dtype=dtype)
    weight = torch.ones(CHANNELS, CHANNELS, KERNEL, KERNEL, device=device, dtype=dtype)
    x, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, weight))
    return lambda: F.conv2d(x, weight, padding=KERNEL // 2)


def time_runs(action: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """Duration in seconds of each of as many runs as fit into `seconds`, at least two. Warm the action up before."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    synchronize(device)
    while len(durations) < MIN_RUNS or time.perf_counter() < end:
        start = time.perf_counter()
        action()
        synchronize(device)
        durations.append(time.perf_counter() - start)
    return durations


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def counted(action: Callable[[], object]) -> Work:
    """What one run of `action` takes, gradients included; it is run once."""
    with _Counting() as counting:
        action()
    return Work(counting.flops, counting.bytes, counting.half)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what operations compute, read and write.

    It uses torch's formulas, but not its `FlopCounterMode`: that one hooks modules, which breaks the second-order
    gradients of R1 and path length, and it forgets groups in the gradients of weights.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.half = 0
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, operation = kwargs or {}, func.overloadpacket
        if operation not in flop_registry:
            with self:  # inference mode has not decomposed composite operations yet
                result = func.decompose(*args, **given)
            if result is not NotImplemented:
                return result
        result = func(*args, **given)
        if operation is aten.convolution_backward:
            grad, x, weight, *rest = args
            once = conv_flop_count(list(x.shape), list(weight.shape), list(grad.shape), rest[4])
            flops = once * sum(map(bool, rest[7][:2]))  # the gradients of input and weight, where wanted
        else:
            flops = int(flop_registry[operation](*args, **given, out_val=result)) if operation in flop_registry else 0
        self.flops += flops
        self.half += flops if flops and args[0].dtype.itemsize == 2 else 0
        if not func.is_view and operation not in _ALLOCATIONS:
            self.bytes += sum(map(_size, tree_leaves((args, given, result))))
        return result


def _size(value: object) -> int:
    """Bytes of a tensor; what is only expanded over a shape counts once."""
    if not isinstance(value, Tensor):
        return 0
    return min(value.numel() * value.element_size(), value.untyped_storage().nbytes())
