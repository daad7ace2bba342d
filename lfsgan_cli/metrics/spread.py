"""How far a number moves with the seeds alone: its spread between disjoint blocks of pictures.

Never a bootstrap over pictures: one drawn twice has a copy of itself as its nearest neighbour and in its pairs, which
shifts every metric of neighbours or pairs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lfsgan_cli.metrics.counts import require_blocks


@dataclass(frozen=True)
class Spread:
    """A metric over disjoint blocks of pictures.

    mean: over the blocks; a metric that depends on the count, as FID does, has another value for all pictures at once.
    deviation: the standard deviation between blocks (over blocks - 1), for `size` pictures, not for all of them.
    """

    mean: float
    deviation: float
    blocks: int
    size: int


def split(features: Tensor, blocks: int, *, metric: str, least: int = 2) -> list[Tensor]:
    """`features` [N, D] as `blocks` runs of ⌊N / blocks⌋ pictures, in order of their seeds; a remainder is left out.

    metric: its name, for the error. least: the fewest pictures that it can be taken of.

    Raises:
        TooFewForBlocksError: a block has fewer.
        ValueError: less than two blocks.
    """
    require_blocks(metric, count=len(features), blocks=blocks, least=least)
    size = len(features) // blocks
    return list(torch.split(features[: blocks * size], size))


def summarise(values: Sequence[float], size: int) -> Spread:
    """The spread of values that were measured on one block of `size` pictures each; two values or more."""
    return Spread(statistics.fmean(values), statistics.stdev(values), len(values), size)


def spread(features: Tensor, blocks: int, measure: Callable[[Tensor], float], *, metric: str, least: int = 2) -> Spread:
    """`measure` on every block of `features` [N, D]. Several numbers of one measurement: `split`, then `summarise`.

    Raises:
        TooFewForBlocksError, ValueError: as `split`.
    """
    parts = split(features, blocks, metric=metric, least=least)
    return summarise([measure(part) for part in parts], len(parts[0]))
