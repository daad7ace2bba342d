"""How many pictures are drawn in one graph, so that a training step fits the memory of a usual machine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import Generator

BUDGET = 6 << 30  # bytes for the graph of one loss: 8 GB leave the rest to weights, optimizers and the program
SAVED = 4  # maps of the size of a convolution's output that its layer keeps for the backward pass


def graph_part(count: int, config: NetworkConfig, dtype: torch.dtype) -> int:
    """How many of `count` pictures, whose feature maps are all compared, may be in one graph: 1 to `count`.

    All where they fit. In parts, every map and its gradient stay in memory, and what lies between is drawn twice.
    """
    each = feature_numbers(config) * dtype.itemsize  # bytes of one picture's feature maps
    if count * each * (SAVED + 1) <= BUDGET:
        return count
    return max(1, min(count, int(BUDGET / each - 2 * count) // SAVED))


def graph_bytes(count: int, config: NetworkConfig, dtype: torch.dtype) -> int:
    """What a graph of `count` pictures takes in such parts; more than the budget where even parts of one do not fit."""
    each, part = feature_numbers(config) * dtype.itemsize, graph_part(count, config, dtype)
    return each * (count * (SAVED + 1) if part == count else 2 * count + SAVED * part)


def with_features(
    generator: Generator, w: Tensor, noises: Sequence[Tensor] | None, dtype: torch.dtype, part: int
) -> list[Tensor]:
    """The pictures of w [N, D], and after them the output of every convolution. noises: None is the network's own.

    With less than N pictures in a part, all but these outputs is forgotten and computed again for the backward pass.
    """

    def drawn(some: Tensor, *grains: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        return [generator.synthesis(generator.spread(some), list(grains) or None, features, dtype), *features]

    if part >= len(w):
        return drawn(w, *(noises or ()))
    rows = zip(*(torch.split(each, part) for each in (w, *(noises or ()))), strict=True)
    parts = [checkpoint(drawn, *row, use_reentrant=False, preserve_rng_state=False) for row in rows]
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


def feature_numbers(config: NetworkConfig) -> int:
    """Numbers in the outputs of all convolutions for one picture."""
    return sum(config.channels[side] * side * side for side in config.noise_sides)
