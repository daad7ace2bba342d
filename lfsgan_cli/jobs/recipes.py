"""Puts together what a task is learned with: a recipe, what suits the adapter, and what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from lfsgan_cli import options
from lfsgan_cli.jobs import likeness
from lfsgan_cli.option_types import spell
from lfsgan_cli.precision import choose
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.recipes import Recipe


def training_of(recipe: Recipe, lr: float, pairs: Sequence[str], given: Mapping[str, Any]) -> LearnConfig:
    """The training that a recipe asks for with an adapter whose learning rate is `lr`.

    pairs: `key=value` of the user; given: what the user says by other options, each of them once.
    Raises OptionError, and TrainingConfigError for a value out of its range.
    """
    said = options.values(LearnConfig, pairs)
    for key in said.keys() & given.keys():
        raise options.RepeatedOptionError(key)
    return LearnConfig(**{"lr": lr, **recipe.training, **said, **given})


def option_pairs(recipe: Recipe, adapter: str, pairs: Sequence[str]) -> list[str]:
    """The adapter's options: the recipe's, but where the user's `key=value` pairs say otherwise."""
    return [*_unsaid(recipe.options.get(adapter, {}), pairs), *pairs]


def resolved(training: LearnConfig, device: torch.device, side: int) -> LearnConfig:
    """With what `auto` means on this machine, for pictures of `side` pixels."""
    return replace(
        training, precision=choose(training.precision, device, side), likeness=likeness.choose(training.likeness)
    )


def spelled(values: Mapping[str, Any]) -> list[str]:
    """As `key=value` pairs."""
    return [f"{key}={spell(value)}" for key, value in values.items()]


def _unsaid(values: Mapping[str, Any], said: Sequence[str]) -> list[str]:
    keys = {pair.partition("=")[0].strip() for pair in said}
    return spelled({key: value for key, value in values.items() if key not in keys})
