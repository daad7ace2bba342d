"""Which distances among shots are of two pictures, and which of one that is there twice, or of one burst of photos."""

from __future__ import annotations

from torch import Tensor

SAME = 1e-5  # a picture's own distance from itself stays below, see `metrics.memorisation`
SHARE = 0.01  # of the mean distance: a tenth of it in length, where drawings of one style have a fifth and more


def differ(apart: Tensor) -> Tensor:
    """Whether two shots are different pictures, [K, K]. apart: their squared distances by any measure, [K, K]."""
    return apart > max(SAME, SHARE * float(apart.mean()))
