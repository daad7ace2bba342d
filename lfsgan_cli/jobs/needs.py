"""How much memory a training run will take, as far as its networks tell; and how much there is."""

from __future__ import annotations

import torch

from lfsgan_cli.jobs.doctor_machine import available_memory
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.training.config import LearnConfig, PretrainConfig
from lfsgan_cli.training.memory import feature_numbers, graph_bytes

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
