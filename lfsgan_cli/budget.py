"""Refuses to make more numbers than a file can account for, before they take any memory: headers may claim any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)


class OverBudgetError(Exception):
    """More numbers were asked for; whoever set the budget says what that means."""


class Budget(TorchFunctionMode):
    """While this block lasts, at most `numbers` numbers are made by torch's makers of tensors; OverBudgetError."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.left = numbers

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count what is asked for, then let it be made."""
        options = kwargs or {}
        if func in _MAKERS:
            self.left -= math.prod(_size(args, options))
            if self.left < 0:
                raise OverBudgetError
        return func(*args, **options)


def _size(args: Sequence[Any], options: Mapping[str, Any]) -> Sequence[int]:
    """What a maker is asked for: `(2, 3)`, `2, 3` or `size=(2, 3)`."""
    given = options.get("size", args[0] if args and isinstance(args[0], Sequence) else args)
    return [number for number in given if isinstance(number, int)]
