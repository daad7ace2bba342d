"""What a run will need on this machine: time, memory, disk space."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.system.distributed import ALONE, Ranks
from lfsgan_cli.training import memory
from lfsgan_cli.training.config import LearnConfig, PretrainConfig

if TYPE_CHECKING:
    from lfsgan_cli.runs.learn_task import TaskRun

CHECKPOINTS = 2  # that a run keeps
FLOAT = 4  # bytes
TRAINED = 3  # what is trained and its two Adam moments, in a checkpoint


@dataclass(frozen=True)
class Estimate:
    """seconds: within a factor of two. memory, free, disk: bytes; free is None if the device does not tell."""

    device: str
    seconds: float
    memory: int
    free: int | None
    disk: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def of_task(job: TaskRun, device: torch.device) -> Estimate:
    """What learning the task needs. Times a second of work on the device."""
    network, training = job.workspace.base.average.config, job.plan.training
    generator, discriminator = memory.sizes(network)
    base = 0 if job.workspace.base_path.exists() else FLOAT * (2 * generator + discriminator)
    return Estimate(
        device=str(device),
        seconds=of_learning(network, training, device),
        memory=memory.of_learning(network, training, len(job.shots.pictures)),
        free=memory.free(device),
        disk=base + CHECKPOINTS * FLOAT * TRAINED * discriminator,
    )


# How long a training run will take on this machine: a short measurement, times what a step consists of.


SECONDS = 0.5  # of measuring, after a warm-up
# A step in passes: one pass generates a batch, scores it, and propagates back to all weights of both networks. Measured
# on the embedded base: 2.5 a step with the default recipe, 4.7 with the paper's, which compares samples in every step.
LEARNING_PASSES = 2.2
COMPARING_PASSES = 0.6  # for a batch of compared samples
PRETRAINING_PASSES = 2.5
RECONSTRUCTION_PASSES = 1.1
LOSS_PASSES = 1.0  # for a recipe's own loss, by the cost of `cdc` and `dcl`


def of_learning(network: NetworkConfig, training: LearnConfig, device: torch.device) -> float:
    """Seconds, within a factor of two."""
    passes = LEARNING_PASSES
    if training.compares_samples:
        compared = training.mode_seeking
        passes += COMPARING_PASSES * compared.batch / training.batch / compared.every
    if training.loss_weight:
        passes += LOSS_PASSES
    return training.steps * passes * seconds_per_pass(network, training.batch, device)


def of_pretraining(
    network: NetworkConfig, training: PretrainConfig, device: torch.device, ranks: Ranks = ALONE
) -> float:
    """Seconds, within a factor of two. ranks: all of them measure at once."""
    adversarial = training.steps - training.reconstruction_steps
    passes = PRETRAINING_PASSES * adversarial + RECONSTRUCTION_PASSES * training.reconstruction_steps
    return passes * seconds_per_pass(network, max(1, training.batch // ranks.count), device)


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
