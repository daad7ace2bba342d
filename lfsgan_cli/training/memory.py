"""How many pictures are drawn in one graph, so that a training step fits the memory of a usual machine."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.system.memory import available_memory
from lfsgan_cli.training.config import LearnConfig, PretrainConfig

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


# How much memory a training run will take, as far as its networks tell; and how much there is.


NUMBER = 4  # bytes; the regularizers need the most, and compute in fp32 in any case
# The most that steps held, in multiples of a picture's feature maps: 4,988 MB for four pictures of FFHQ-256, less the
# weights (docs/performance.md). Generator and discriminator, forwards and backwards.
GRAPH = 7
PROGRAM = 400 << 20  # bytes: Python, torch and its libraries
LIKENESS = (
    500 << 20
)  # bytes: the network that compares pictures, at work (1,144 MB on the embedded base, less the rest)
FROZEN = 8 << 20  # bytes an image: frozen features at 96 pixels and their heads (6.5 MB measured, batches of 8 and 32)
COPIES = 3  # of what is trained, beside itself: its gradient and Adam's two


def of_pretraining(network: NetworkConfig, training: PretrainConfig) -> int:
    """Bytes at the most, within a quarter: both generators, the discriminator, their optimizers, the largest step."""
    generator, discriminator = _sizes(network)
    weights = 2 * generator + discriminator + COPIES * (generator + discriminator)
    frozen = training.batch * FROZEN if training.feature_weight else 0
    return PROGRAM + frozen + NUMBER * (weights + training.batch * GRAPH * feature_numbers(network))


def of_learning(network: NetworkConfig, training: LearnConfig) -> int:
    """Bytes at the most, within a quarter; an adapter that trains every weight takes a little more."""
    generator, discriminator = _sizes(network)
    weights = 2 * generator + discriminator + (1 + COPIES) * discriminator
    picture = NUMBER * feature_numbers(network)
    seeking = graph_bytes(training.seeking_batch, network, torch.float32) if training.draws_sets else 0
    return PROGRAM + LIKENESS + NUMBER * weights + max(training.batch * GRAPH * picture, seeking)


def free(device: torch.device) -> int | None:
    """Bytes that are free where the training runs; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_memory() if device.type == "cpu" else None


def _sizes(network: NetworkConfig) -> tuple[int, int]:
    """Numbers in a generator and in its discriminator."""
    with torch.device("meta"):  # without their memory
        modules = build_generator(network), Discriminator(network)
    generator, discriminator = (sum(parameter.numel() for parameter in module.parameters()) for module in modules)
    return generator, discriminator
