"""`torchrun … -m tests.ranks.program`: a tiny pretraining of every kind of step, whose losses the first rank writes.

With `--float64`, all numbers are computed in double precision, so that runs of any number of ranks can be compared.
"""

import argparse
import copy
import json
import os
from pathlib import Path

import numpy as np
import torch

from lfsgan_cli.io import safetensors
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.system.distributed import Ranks, joined
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.pretraining import Pretraining

BATCH = 16
CPU = torch.device("cpu")
NETWORK = NetworkConfig(resolution=16, channels={4: 8, 8: 8, 16: 8}, w_dim=8, mapping_layers=2)
IMAGES = list(np.random.RandomState(0).randint(0, 256, (21, 16, 16, 3), np.uint8))  # no multiple of the batch


def config(steps: int, reconstructed: int, features: float, *, ada: bool) -> PretrainConfig:
    """Every phase within a few steps."""
    return PretrainConfig(
        kimg=steps * BATCH / 1000, batch=BATCH, seed=3, r1_every=4, path_every=3, ema_kimg=0.05,
        feature_weight=features, feature_ramp_kimg=0.1,
        reconstruction_kimg=reconstructed * BATCH / 1000, precision="fp32", augment="ada" if ada else "none",
        mapping_updates=20,
    )  # fmt: skip


def new_run(ranks: Ranks, config: PretrainConfig) -> Pretraining:
    """A run whose weights depend on nothing but the seed."""
    torch.manual_seed(0)
    generator, discriminator = build_generator(NETWORK), Discriminator(NETWORK)
    return Pretraining(generator, copy.deepcopy(generator), discriminator, IMAGES, config, ranks)


def main() -> None:
    """Train, from a checkpoint where there is one, up to `--until`; write losses and checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--float64", action="store_true")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--until", type=int, default=1 << 30)
    parser.add_argument("--reconstructed", type=int, default=0)
    parser.add_argument("--features", type=float, default=1.0)
    parser.add_argument("--ada", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64 if options.float64 else torch.float32)
    with joined(CPU) as ranks:
        run = new_run(ranks, config(options.steps, options.reconstructed, options.features, ada=options.ada))
        if run.augmentation is not None:
            run.augmentation.p.fill_(0.5)  # which few steps would not reach
        if options.checkpoint and options.checkpoint.exists():
            run.unpack(safetensors.read(options.checkpoint)[0])
        ranks.equalize(run.modules.values(), run.done)
        log = []
        for step in run.steps():
            log.append(
                {"step": step.done, "path_mean": float(run.path_mean)} | {k: float(v) for k, v in step.losses.items()}
            )
            if step.done == options.until:
                break
        ranks.check_equal(run.modules.values())
        if ranks.first:
            options.log.write_text(json.dumps(log))
            if options.checkpoint:
                safetensors.write(options.checkpoint, run.pack(), {})
        ranks.wait()


if __name__ == "__main__":
    main()
    os._exit(0)  # as the program itself does: gloo's threads may abort a process that unloads torch
