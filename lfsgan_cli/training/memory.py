"""Memory of training: how many images share a graph, how much a run needs, and how much is free."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.system.machine import available_memory
from lfsgan_cli.training.batches import MOST_REFERENCES
from lfsgan_cli.training.config import LearnConfig

CPU = torch.device("cpu")
BUDGET = 6 << 30  # bytes for the graph of one loss: of 8 GB, the rest is for weights, optimizers and the program
GPU_SHARE = 2 / 3  # of a GPU's memory for it, if that is more
SAVED = 4  # maps of the size of a convolution's output that its layer keeps for the backward pass
NUMBER = 4  # bytes; the regularizers need the most, and always compute in fp32
# The most that steps held, in multiples of an image's feature maps: 4,988 MB for four images of FFHQ-256, less the
# weights (docs/performance.md). Generator and discriminator, forward and backward.
GRAPH = 7
PROGRAM = 400 << 20  # bytes: Python, torch and its libraries
PERCEPTUAL = (
    500 << 20
)  # bytes: the network that compares images, at work (1,144 MB on the embedded base, less the rest)
FROZEN = 8 << 20  # bytes an image: frozen features at 96 pixels and their heads (6.5 MB measured, batches of 8 and 32)
COPIES = 3  # of what is trained, beside itself: its gradient and Adam's two
EMBEDDING_BYTES = 47_104 * NUMBER  # of an image's perceptual embedding at 128 pixels
LOADED = 2  # bytes a channel of a training image: its levels, and a copy while they are stacked


def budget(device: torch.device) -> int:
    """Bytes for the graph of one loss. Equal for equal devices, so that a resumed run splits its batches as before."""
    if device.type != "cuda":
        return BUDGET
    whole: int = torch.cuda.get_device_properties(device).total_memory
    return max(BUDGET, int(whole * GPU_SHARE) >> 30 << 30)  # whole GiB, since drivers keep a little more or less


def graph_part(count: int, config: NetworkConfig, dtype: torch.dtype, device: torch.device = CPU) -> int:
    """How many of `count` images, whose feature maps are all compared, may share a graph: 1 to `count`.

    All, where they fit. In parts, every map and its gradient stay in memory, and what lies between is computed twice.
    """
    each = feature_numbers(config) * dtype.itemsize  # bytes of one image's feature maps
    limit = budget(device)
    if count * each * (SAVED + 1) <= limit:
        return count
    return max(1, min(count, int(limit / each - 2 * count) // SAVED))


def with_features(
    generator: Generator, w: Tensor, noises: Sequence[Tensor] | None, dtype: torch.dtype, part: int
) -> list[Tensor]:
    """The images of w [N, D], and after them the output of every convolution. noises: None is the network's own.

    With fewer than N images in a part, all but these outputs is freed and computed again for the backward pass.
    """

    def generated(w: Tensor, *noises: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        return [generator.synthesis(generator.spread(w), list(noises) or None, features, dtype), *features]

    if part >= len(w):
        return generated(w, *(noises or ()))
    rows = zip(*(torch.split(each, part) for each in (w, *(noises or ()))), strict=True)
    parts = [checkpoint(generated, *row, use_reentrant=False, preserve_rng_state=False) for row in rows]
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


def feature_numbers(config: NetworkConfig) -> int:
    """Numbers in the outputs of all convolutions for one image."""
    return sum(config.channels[side] * side * side for side in config.noise_sides)


def of_learning(network: NetworkConfig, training: LearnConfig, images: int, device: torch.device = CPU) -> int:
    """Bytes at most, within a quarter, with so many training images.

    An adapter that trains every weight needs a little more.
    """
    generator, discriminator = sizes(network)
    weights = 2 * generator + discriminator + (1 + COPIES) * discriminator
    numbers, count = feature_numbers(network), training.mode_seeking.batch
    samples = 0
    if training.compares_samples:
        part = graph_part(count, network, torch.float32, device)
        samples = numbers * (count * (SAVED + 1) if part == count else 2 * count + SAVED * part)
    pixels = 3 * network.resolution**2
    references = min(images, MOST_REFERENCES) * (3 * NUMBER * pixels + EMBEDDING_BYTES)  # with mirror images
    held = PROGRAM + PERCEPTUAL + NUMBER * weights + LOADED * images * pixels + references
    held += training.batch * FROZEN if training.features.weight else 0
    if training.loss_weight:  # a recipe's own samples, and weights that it may keep
        held += NUMBER * (2 * generator + training.batch * GRAPH * numbers)
    return held + NUMBER * max(training.batch * GRAPH * numbers, samples)


def free(device: torch.device) -> int | None:
    """Bytes that are free where the training runs; None if the device does not tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return available_memory() if device.type == "cpu" else None


def sizes(network: NetworkConfig) -> tuple[int, int]:
    """Weights of a generator and of its discriminator: how many."""
    with torch.device("meta"):  # without their memory
        modules = build_generator(network), Discriminator(network)
    generator, discriminator = (sum(parameter.numel() for parameter in module.parameters()) for module in modules)
    return generator, discriminator
