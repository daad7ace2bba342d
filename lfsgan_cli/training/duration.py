"""How long a training run will take on this machine: a short measurement, times what a step consists of."""

from __future__ import annotations

import time

import torch

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.training.config import LearnConfig, PretrainConfig

SECONDS = 0.5  # of measuring, after a warm-up
# A step in passes: one pass generates a batch, scores it, and propagates back to all weights of both networks. Measured
# on the embedded base: 2.5 a step with the default recipe, 4.7 with the paper's, which compares samples in every step.
LEARNING_PASSES = 2.2
COMPARING_PASSES = 0.6  # for a batch of compared samples
PRETRAINING_PASSES = 2.5


def of_learning(network: NetworkConfig, training: LearnConfig, device: torch.device) -> float:
    """Seconds, within a factor of two."""
    passes = LEARNING_PASSES
    if training.compares_samples:
        compared = training.mode_seeking
        passes += COMPARING_PASSES * compared.batch / training.batch / compared.every
    return training.steps * passes * seconds_per_pass(network, training.batch, device)


def of_pretraining(network: NetworkConfig, training: PretrainConfig, device: torch.device) -> float:
    """Seconds, within a factor of two."""
    return training.steps * PRETRAINING_PASSES * seconds_per_pass(network, training.batch, device)


def seconds_per_pass(network: NetworkConfig, batch: int, device: torch.device) -> float:
    """Seconds of one pass of `batch` images through random networks, forwards and backwards in fp32."""
    with torch.random.fork_rng(devices=[]):
        generator, discriminator = build_generator(network).to(device), Discriminator(network).to(device)
        z = torch.randn(batch, network.w_dim).to(device)

    def run() -> float:
        score = discriminator(generator(z)).mean()
        score.backward()
        return float(score.detach())  # waits for a GPU

    run()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        run()
        count += 1
    return (time.perf_counter() - start) / count
