"""Where the ticks of an axis stand: round numbers that span what is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 5, 10)  # a tick is one of these times a power of ten


@dataclass(frozen=True)
class Axis:
    """A range of values and the ticks in it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def wide(values: Sequence[float], count: int = 4) -> Axis:
    """An axis from tick to tick around the values."""
    low, high = _apart(min(values), max(values))
    step = _step(high - low, count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(index * step for index in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def tight(values: Sequence[float], count: int = 5) -> Axis:
    """An axis that ends where the values end, with whole ticks inside: for steps and counts."""
    low, high = _apart(min(values), max(values))
    step = max(1.0, _step(high - low, count))
    first, last = math.ceil(low / step), math.floor(high / step)
    return Axis(low, high, tuple(index * step for index in range(first, last + 1)))


def tick_label(value: float, axis: Axis) -> str:
    """A tick in as many decimals as its axis needs."""
    gap = axis.ticks[1] - axis.ticks[0] if len(axis.ticks) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(gap) + 1e-9))
    return f"{value + 0.0:,.{decimals}f}"


def _apart(low: float, high: float) -> tuple[float, float]:
    if high > low:
        return low, high
    margin = abs(low) * 0.1 or 1.0
    return low - margin, high + margin


def _step(span: float, count: int) -> float:
    size = 10.0 ** math.floor(math.log10(span / count))
    return next(factor * size for factor in _STEPS if factor * size >= span / count * (1 - 1e-9))
