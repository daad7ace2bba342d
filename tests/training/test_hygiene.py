"""What the discriminator sees, and where it is regularized: real and drawn pictures, whole and in patches, alike."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lfsgan_adapters.left import LeFT
from torch import Tensor, nn

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.learning import Learning
from tests.brightness import InBrightness
from tests.training.test_learn import CONFIG, SHOTS, new_run

REALS = torch.tensor([shot.tolist() for shot in SHOTS]).permute(0, 3, 1, 2) / 127.5 - 1


def seen(config: LearnConfig) -> list[Tensor]:
    """Every batch that reaches the discriminator's first layer in a run."""
    run, batches = new_run(config=config), []

    def note(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        batches.append(inputs[0].detach().clone())

    run.judge.discriminator.from_rgb.register_forward_pre_hook(note)
    for _ in run.steps():
        pass
    return batches


def is_real(batch: Tensor) -> bool:
    return all(any(torch.allclose(one, real, atol=1e-5) for real in REALS) for one in batch)


def edge_is_doubled(picture: Tensor) -> bool:
    """Whether a row or column at an edge is the one beside it again, as where a picture was moved."""
    sides = [picture, picture.flip(1), picture.mT, picture.mT.flip(1)]
    return any(torch.equal(side[:, 0], side[:, 1]) for side in sides)


def test_real_and_drawn_pictures_are_shifted_alike() -> None:
    plain = replace(CONFIG, mirror=False, shift=0.0)
    still, moved = seen(plain), seen(replace(plain, shift=0.25))
    kinds = [is_real(batch) for batch in still]
    assert {True, False} == set(kinds)
    assert len(moved) == len(kinds)
    for kind in (True, False):
        before, after = (
            [edge_is_doubled(one) for batch, real in zip(batches, kinds, strict=True) if real is kind for one in batch]
            for batches in (still, moved)
        )
        assert not any(before)
        # By up to 4 pixels to each side: 80 of 81 pictures move.
        assert sum(after) > 0.8 * len(after)


def regularized(run: Learning, step: int) -> list[str]:
    """Which scores R1 reaches in a step: the parameters that it gives a gradient tell."""
    run.begin()
    losses = {phase.name: phase.losses for phase in run.phases}
    list(losses["d"](step))  # which takes the step's real pictures
    torch.stack(list(losses["r1"](step))).sum().backward()  # type: ignore[no-untyped-call]
    parts = {"whole": run.judge.discriminator.score, "patches": run.judge.heads}
    return [name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())]


@pytest.mark.parametrize(("step", "reached"), [(0, ["whole"]), (3, ["patches"])])
def test_r1_regularizes_the_score_that_its_step_asks_for(step: int, reached: list[str]) -> None:
    assert regularized(new_run(), step) == reached


def run_with_three_heads() -> Learning:
    """On a base of 64×64, which has three layers that patches can be scored from."""
    network = NetworkConfig(64, {4: 4, 8: 4, 16: 4, 32: 4, 64: 4}, w_dim=4, mapping_layers=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base = build_generator(network).requires_grad_(requires_grad=False)
        adapter, discriminator = LeFT(base, LeFT.Config(rank=1)), Discriminator(network)
    shots = list(np.random.RandomState(0).randint(0, 256, (3, 64, 64, 3), np.uint8))
    config = replace(CONFIG, patch_heads=3, r1_gamma=0.0)
    return Learning(base, adapter, discriminator, shots, InBrightness(shots), config)


def test_one_patch_head_judges_real_and_drawn_pictures_of_a_step_and_all_have_their_turn() -> None:
    run = run_with_three_heads()
    run.begin()
    losses, turns = run.phases[0].losses, set()
    for _ in range(12):
        run.judge.heads.zero_grad()
        torch.stack(list(losses(1))).sum().backward()  # type: ignore[no-untyped-call]
        asked = [index for index, head in enumerate(run.judge.heads) if head.weight.grad is not None]
        assert len(asked) == 1
        turns |= set(asked)
    assert turns == {0, 1, 2}


def test_by_default_r1_has_its_turn_with_both_and_with_the_public_intervals_only_with_whole_pictures() -> None:
    def turns(config: LearnConfig) -> list[int]:
        return [step % config.anchor_every for step in range(0, config.steps, config.r1_every)]

    default, public = turns(LearnConfig()), turns(LearnConfig(r1_every=16, anchor_every=4))
    assert default.count(0) == pytest.approx(len(default) / 2, abs=1)
    assert set(public) == {0}
