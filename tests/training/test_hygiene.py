"""What the discriminator sees, and where it is regularized: real and generated images, whole and in patches, alike."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lfsgan_cli import options
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.learning import Learning
from tests.training.test_learn import CONFIG, SHOTS, new_run

REALS = torch.tensor([shot.tolist() for shot in SHOTS]).permute(0, 3, 1, 2) / 127.5 - 1


def seen(config: LearnConfig) -> list[Tensor]:
    """Every batch that reaches the discriminator's first layer in a run."""
    run, batches = new_run(config=config), []

    def note(_layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        batches.append(inputs[0].detach().clone())

    run.discriminator.discriminator.from_rgb.register_forward_pre_hook(note)
    for _ in run.steps():
        pass
    return batches


def is_real(batch: Tensor) -> bool:
    return all(any(torch.allclose(one, real, atol=1e-5) for real in REALS) for one in batch)


def edge_is_doubled(picture: Tensor) -> bool:
    """Whether a row or column at an edge is the one beside it again, as where an image was moved."""
    sides = [picture, picture.flip(1), picture.mT, picture.mT.flip(1)]
    return any(torch.equal(side[:, 0], side[:, 1]) for side in sides)


def test_real_and_generated_images_are_shifted_alike() -> None:
    plain = options.changed(CONFIG, {"mirror": False, "discriminator.shift": 0.0})
    still, moved = seen(plain), seen(options.changed(plain, {"discriminator.shift": 0.25}))
    kinds = [is_real(batch) for batch in still]
    assert {True, False} == set(kinds)
    assert len(moved) == len(kinds)
    for kind in (True, False):
        before, after = (
            [edge_is_doubled(one) for batch, real in zip(batches, kinds, strict=True) if real is kind for one in batch]
            for batches in (still, moved)
        )
        assert not any(before)
        # By up to 4 pixels to each side: 80 of 81 images move.
        assert sum(after) > 0.8 * len(after)


def regularized(run: Learning, step: int) -> list[str]:
    """Which scores R1 reaches in a step: the parameters that it gives a gradient tell."""
    run.begin()
    losses = {phase.name: phase.losses for phase in run.phases}
    list(losses["d"](step))  # which takes the step's real images
    torch.stack(list(losses["r1"](step))).sum().backward()  # type: ignore[no-untyped-call]
    parts = {"whole": run.discriminator.discriminator.score, "patches": run.discriminator.head}
    return [name for name, part in parts.items() if any(p.grad is not None for p in part.parameters())]


@pytest.mark.parametrize(("step", "reached"), [(0, ["whole"]), (3, ["patches"])])
def test_r1_regularizes_the_score_that_its_step_asks_for(step: int, reached: list[str]) -> None:
    assert regularized(new_run(), step) == reached


def test_by_default_r1_has_its_turn_with_both_and_with_the_public_intervals_only_with_whole_images() -> None:
    def turns(config: LearnConfig) -> list[int]:
        return [step % config.anchors.every for step in range(0, config.steps, config.discriminator.r1_every)]

    default, public = (
        turns(LearnConfig()),
        turns(options.build(LearnConfig, {"discriminator.r1_every": 16, "anchors.every": 4})),
    )
    assert default.count(0) == pytest.approx(len(default) / 2, abs=1)
    assert set(public) == {0}
