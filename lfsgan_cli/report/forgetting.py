"""The arithmetic of forgetting: how much worse earlier domains are drawn after the last step than when learned."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from lfsgan_cli.report.model import Measured

# A[t][i], both counted from 1: a metric on the domain of step i, of what is drawn after step t.
Matrix = Mapping[tuple[int, int], float]


def average_forgetting(matrix: Matrix, *, less_is_better: bool) -> float | None:
    """Mean over i < T of A[T][i] - A[i][i]: above 0 is forgotten, below 0 is gained; T is the last step.

    The sign is turned where more is better (Chaudhry et al., 2018, with the value when learned in place of the best).
    None before the second step, and where a value is missing.
    """
    last = max((step for step, _ in matrix), default=0)
    pairs = [((last, i), (i, i)) for i in range(1, last)]
    if not pairs or any(key not in matrix for pair in pairs for key in pair):
        return None
    sign = 1 if less_is_better else -1
    return sign * fmean(matrix[now] - matrix[then] for now, then in pairs)


def over_seeds(values: Sequence[float]) -> Measured | None:
    """Mean, and the sample standard deviation where there are several; None of none."""
    if not values:
        return None
    return Measured(fmean(values), stdev(values) if len(values) > 1 else None)
