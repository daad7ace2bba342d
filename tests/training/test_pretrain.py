"""Pretraining learns every tensor, and goes on bit for bit where it was stopped."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lfsgan_cli import tensorfile
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.training.config import PretrainConfig
from lfsgan_cli.training.pretrain import Pretraining

PICTURES = list(np.random.RandomState(0).randint(0, 256, (7, 16, 16, 3), np.uint8))
CONFIG = PretrainConfig(kimg=0.012, batch=2, r1_every=3, path_every=2, average_kimg=0.01)
STEPS = 6  # 12 pictures, two a step


def new_run() -> Pretraining:
    generator = tiny_generator().requires_grad_(requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        discriminator = Discriminator(generator.config)
    return Pretraining(generator, copy.deepcopy(generator), discriminator, PICTURES, CONFIG)


def finished(run: Pretraining) -> dict[str, Tensor]:
    for _ in run.steps():
        pass
    return run.pack()


def test_a_run_stopped_after_any_step_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    run = new_run()
    tensorfile.write(tmp_path / "0", run.pack(), {})
    for step in run.steps():
        tensorfile.write(tmp_path / str(step.done), run.pack(), {})
    whole = run.pack()
    assert run.done == run.total == STEPS
    for done in range(STEPS):
        resumed = new_run()
        resumed.unpack(tensorfile.read(tmp_path / str(done))[0])
        again = finished(resumed)
        assert again.keys() == whole.keys()
        assert [name for name in whole if not torch.equal(again[name], whole[name])] == []


def test_every_tensor_of_both_networks_learns_and_the_average_follows() -> None:
    run = new_run()
    before = {name: tensor.clone() for name, tensor in run.pack().items()}
    after = finished(run)
    learned = [f"module.{part}.{name}" for part in ("live", "average") for name, _ in run.generator.named_parameters()]
    learned += [f"module.discriminator.{name}" for name, _ in run.discriminator.named_parameters()]
    assert [name for name in learned if torch.equal(before[name], after[name])] == []


def test_a_finished_run_has_nothing_left_to_do() -> None:
    run = new_run()
    finished(run)
    assert list(run.steps()) == []
