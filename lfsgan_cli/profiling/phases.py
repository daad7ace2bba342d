"""What a training step consists of, and how often each part of it comes: the phases of a run, by kinds of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.learning import Learning
from lfsgan_cli.training.loop import Phase, TrainingLoop, set_rate
from lfsgan_cli.training.pretraining import Pretraining

JUDGED = ("d", "r1", "g")  # phases that look at whole pictures in some steps, at patches in others
PLACES = {False: "patches", True: "whole pictures"}


@dataclass(frozen=True)
class PhaseCost:
    """One kind of work.

    per_step: how often a step has it, on average over the schedule. action: does it once, by the run's own code.
    without: does the same but for this part, where it cannot be done alone; what is left is the part.
    plain: does the same in the operations that are counted, where `action` has a form that needs fewer.
    """

    name: str
    per_step: float
    action: Callable[[], object]
    without: Callable[[], object] | None = None
    plain: Callable[[], object] | None = None


def learning_parts(run: Learning) -> list[PhaseCost]:
    """All that a step of learning a task consists of."""
    _stand_still(run)
    config = run.config
    cycle = math.lcm(config.anchor_every, config.seeking_every, *(phase.every for phase in run.phases))
    parts = [part for phase in run.phases for part in _learning_parts(phase, config, cycle)]
    return [*parts, PhaseCost("average and rates", 1.0, run.follow)]


def pretraining_parts(run: Pretraining) -> list[PhaseCost]:
    """All that a step of pretraining consists of."""
    _stand_still(run)
    parts = [PhaseCost(phase.name, 1 / phase.every, partial(phase.update, 0)) for phase in run.phases]
    return [*parts, PhaseCost("average and rates", 1.0, run.follow)]


def _stand_still(run: TrainingLoop) -> None:
    """Ready for any phase in any order, at learning rates of zero: all is computed, and the networks stay as they are.

    A discriminator trained alone would soon be so sure that its gradients are denormal numbers, which are slow.
    """
    run.begin()
    for optimizer in run.optimizers.values():
        set_rate(optimizer, 0.0)
    for phase in run.phases:
        for parameter in phase.parameters:
            parameter.requires_grad = False
    for phase in run.phases:  # R1 looks at pictures that the discriminator's has read, which may need drawn ones
        phase.update(0)
        if phase.name == "d":
            break


def _learning_parts(phase: Phase, config: LearnConfig, cycle: int) -> Iterator[PhaseCost]:
    steps = range(0, cycle, phase.every)
    if phase.name not in JUDGED:
        yield PhaseCost(phase.name, len(steps) / cycle, partial(phase.update, 0))
        return
    for whole, place in PLACES.items():
        here = [step for step in steps if config.is_anchored(step) is whole]
        seeking = [step for step in here if phase.name == "g" and config.seeks(step)]
        plain = [step for step in here if step not in seeking]
        yield from _at(phase, place, here, plain, seeking, cycle)


def _at(
    phase: Phase, place: str, here: Sequence[int], plain: Sequence[int], seeking: Sequence[int], cycle: int
) -> Iterator[PhaseCost]:
    if not here:
        return
    alone = partial(phase.update, (plain or here)[0])
    yield PhaseCost(f"{phase.name} on {place}", len(here) / cycle, alone)
    if plain and seeking:
        yield PhaseCost(f"{phase.name}, mode seeking", len(seeking) / cycle, partial(phase.update, seeking[0]), alone)
