"""Counts what a piece of work asks of a machine: floating-point operations, and bytes that its operations touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import conv_flop_count, flop_registry

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
