"""The phases of a training step, how often a step has each, and a function that runs each alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.loop import Phase, TrainingLoop, set_rate
from lfsgan_cli.training.pretraining import Pretraining

ANCHORED = ("d", "r1", "g")  # phases that use whole images in some steps, and patches in others


@dataclass(frozen=True)
class PhaseCost:
    """One phase.

    per_step: how often a step has it, on average over the schedule. action: runs it once, with the run's own code.
    without: runs the same but for this phase, where it cannot run alone; the difference is the phase.
    plain: does the same in the operations to be counted, where `action` has a form that needs fewer.
    """

    name: str
    per_step: float
    action: Callable[[], object]
    without: Callable[[], object] | None = None
    plain: Callable[[], object] | None = None


def learning_parts(run: Learning) -> list[PhaseCost]:
    """All phases of a step of learning a task."""
    _freeze(run)
    config = run.config
    cycle = math.lcm(config.anchors.every, config.mode_seeking.every, *(phase.every for phase in run.phases))
    parts = [part for phase in run.phases for part in _learning_parts(phase, config, cycle)]
    return [*parts, PhaseCost("average and rates", 1.0, run.follow)]


def pretraining_parts(run: Pretraining) -> list[PhaseCost]:
    """All phases of a step of pretraining."""
    _freeze(run)
    parts = [PhaseCost(phase.name, 1 / phase.every, partial(phase.update, 0)) for phase in run.phases]
    return [*parts, PhaseCost("average and rates", 1.0, run.follow)]


def _freeze(run: TrainingLoop) -> None:
    """Ready for any phase in any order, at learning rates of zero: everything is computed, and no weight changes.

    A discriminator trained alone would soon be so certain that its gradients are denormal numbers, which are slow.
    """
    run.begin()
    for optimizer in run.optimizers.values():
        set_rate(optimizer, 0.0)
    for phase in run.phases:
        for parameter in phase.parameters:
            parameter.requires_grad = False
    for phase in run.phases:  # R1 uses images that the discriminator's phase has read, which may need generated ones
        phase.update(0)
        if phase.name == "d":
            break


def _learning_parts(phase: Phase, config: LearnConfig, cycle: int) -> Iterator[PhaseCost]:
    steps = range(0, cycle, phase.every)
    if phase.name not in ANCHORED:
        yield PhaseCost(phase.name, len(steps) / cycle, partial(phase.update, 0))
        return
    for whole, kind in ((False, "patches"), (True, "whole images")):
        here = [step for step in steps if config.is_anchored(step) is whole]
        seeking = [step for step in here if phase.name == "g" and config.compares_samples_at(step)]
        plain = [step for step in here if step not in seeking]
        if here:
            alone = partial(phase.update, (plain or here)[0])
            yield PhaseCost(f"{phase.name} on {kind}", len(here) / cycle, alone)
            if plain and seeking:
                share = len(seeking) / cycle
                yield PhaseCost(f"{phase.name}, mode seeking", share, partial(phase.update, seeking[0]), alone)
