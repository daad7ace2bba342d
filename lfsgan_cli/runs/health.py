"""Divergence check of losses and weights, and memory that runs out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lfsgan_cli.errors import LfsganError, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

    from lfsgan_cli.training.loop import TrainingLoop

LEAST_PAIR = 3  # pictures of which half are no pair any more
EXPLODED = 1e7  # the largest term, mode seeking's, is bounded by its weight of 7 over its epsilon of 1e-5: 7e5


class DivergedRunError(LfsganError):
    """A run whose losses or weights are no numbers any more; its last good checkpoints are kept. plan: of the run."""

    def __init__(self, what: str, done: int, plan: Mapping[str, Any], kept: int | None) -> None:
        training = plan["training"]
        precision = " or --precision fp32" if training["precision"] == "bf16" else ""
        state = f"the checkpoint after step {kept:,} is kept; " if kept is not None else ""
        super().__init__(
            f"training went wrong: after step {done:,} {what}; {state}"
            f"start again with --overwrite and a lower --lr (it was {training['lr']:g}){precision}"
        )


class OutOfMemoryRunError(LfsganError):
    """A step that did not fit into memory; the checkpoints are whole."""

    def __init__(self, done: int, training: Mapping[str, Any], resume: str) -> None:
        batch = training["batch"]
        seeking = training.get("mode_seeking", {"weight": 0.0, "batch": 0})
        weights = seeking["weight"], training.get("energy_weight"), training.get("memorization_weight")
        samples = seeking["batch"] if any(weights) else 0
        fewer = [f"--batch {batch // 2}"] * (batch > 1)
        fewer += [f"-t mode_seeking.batch={samples // 2}"] * (samples > LEAST_PAIR)
        lower = f"start again with --overwrite and {' and '.join(fewer)}, or " if fewer else ""
        super().__init__(
            f"there is not enough memory for a step of --batch {batch} (after step {done:,}): {lower}"
            f"free memory, or take a machine with more, and resume with: {resume}"
        )


def diverged_loss(losses: Mapping[str, Tensor]) -> str | None:
    """What is wrong with a step's losses, in words; None where nothing is. Waits for the device."""
    for name, loss in losses.items():
        value = float(loss)
        if not math.isfinite(value):
            return f"the loss {name!r} is {value}"
        if abs(value) > EXPLODED:
            return f"the loss {name!r} has exploded to {value:.3g}"
    return None


def non_finite_tensor(tensors: Mapping[str, Tensor]) -> str | None:
    """What is wrong with a checkpoint, in words; None where every number of it is finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return f"{name!r} holds numbers that are not finite"
    return None


@contextmanager
def enough_memory(run: TrainingLoop, training: Mapping[str, Any], resume: str) -> Iterator[None]:
    """Words what a device says when its memory is full. training: the settings of the run."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryRunError(run.done, training, resume) from error
        raise
