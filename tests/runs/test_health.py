"""What is wrong with losses and states is told in words, and memory that runs out is told from other errors."""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
import torch

from lfsgan_cli.runs.folder import (
    EXPLODED,
    DivergedRunError,
    OutOfMemoryRunError,
    diverged_loss,
    enough_memory,
    non_finite_tensor,
)
from lfsgan_cli.training.loop import TrainingLoop

PLAN = {"training": {"lr": 0.002, "precision": "fp32"}}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "the loss 'g' is nan"),
        (float("-inf"), "the loss 'g' is -inf"),
        (2 * EXPLODED, "the loss 'g' has exploded to 2e+07"),
    ],
)
def test_a_loss_that_nothing_can_be_learned_from_is_named(value: float, words: str) -> None:
    assert diverged_loss({"d": torch.tensor(1.0), "g": torch.tensor(value)}) == words


def test_large_losses_are_no_reason_to_stop() -> None:
    assert diverged_loss({"d": torch.tensor(-5000.0), "r1": torch.tensor(7e5)}) is None


def test_a_state_with_a_number_that_is_none_is_not_worth_keeping() -> None:
    sound = {"x": torch.zeros(3), "rng": torch.zeros(4, dtype=torch.uint8)}
    assert non_finite_tensor(sound) is None
    assert (
        non_finite_tensor({**sound, "y": torch.tensor([0.0, float("nan")])}) == "'y' holds numbers that are not finite"
    )


def test_the_advice_names_what_can_be_lowered() -> None:
    half = {"training": {"lr": 0.002, "precision": "bf16"}}
    advice = "the checkpoint after step 1,120 is kept; start again with --overwrite and a lower --lr (it was 0.002)"
    assert advice in str(DivergedRunError("the loss 'g' is nan", 1130, PLAN, 1120))
    assert str(DivergedRunError("the loss 'g' is nan", 1130, half, None)).endswith(
        "--lr (it was 0.002) or --precision fp32"
    )


LEARNING = {"batch": 8, "mode_seeking": {"batch": 16, "weight": 0.0}, "energy_weight": 100.0}


@dataclass
class Standing:
    """Where a run stands, which is all that is asked of it."""

    done: int


def fill_the_computer() -> None:
    torch.empty(1 << 55)


def fill_python() -> None:
    bytearray(1 << 62)


def fill_a_device() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def fill_what_maps_files() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize("fill", [fill_the_computer, fill_python, fill_a_device, fill_what_maps_files])
def test_full_memory_is_told_with_the_batch_and_the_way_on(fill: Callable[[], None]) -> None:
    with (
        pytest.raises(OutOfMemoryRunError) as caught,
        enough_memory(cast(TrainingLoop, Standing(40)), LEARNING, "lfsgan …"),
    ):
        fill()
    said = "--batch 8 (after step 40): start again with --overwrite and --batch 4 and -t mode_seeking.batch=8, or free"
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"batch": 8}, ": start again with --overwrite and --batch 4, or free memory"),
        ({"batch": 8, "mode_seeking": {"batch": 16, "weight": 0.0}}, "--batch 4, or free memory"),
        (
            {"batch": 1, "mode_seeking": {"batch": 2, "weight": 7.0}},
            ": free memory or use a machine with more, and resume with: lfsgan …",
        ),
    ],
)
def test_nothing_is_to_be_lowered_that_is_not_there_or_is_the_least(training: dict[str, Any], words: str) -> None:
    assert words in str(OutOfMemoryRunError(40, training, "lfsgan …"))


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OSError(errno.ENOSPC, "No space left on device")])
def test_other_errors_pass(error: Exception) -> None:
    with (
        pytest.raises(type(error), match=str(error.args[-1])),
        enough_memory(cast(Any, Standing(40)), LEARNING, "lfsgan …"),
    ):
        raise error
