"""Ways to learn a task: a recipe, what suits the adapter, and what the user says, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from lfsgan_cli import options, registry
from lfsgan_cli.jobs import likeness
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.option_types import spell
from lfsgan_cli.precision import choose
from lfsgan_cli.training.config import LearnConfig
from lfsgan_cli.training.fitting import fitted
from lfsgan_cli.training.recipes import DEFAULT, Recipe
from lfsgan_cli.training.recipes import recipe as recipe_of


@dataclass(frozen=True)
class Way:
    """A way to learn a task. pairs: options of the adapter as `-o` takes them; recipe: the name of its recipe."""

    adapter: str
    pairs: tuple[str, ...]
    training: LearnConfig
    recipe: str = DEFAULT

    def seeded(self, seed: int) -> Way:
        """With another seed."""
        return replace(self, training=replace(self.training, seed=seed))

    def passes(self, shorter: Way) -> bool:
        """Whether what the shorter way learns is what this one has learned after as many steps."""
        alike = replace(shorter, training=self.training) == self
        return alike and self.training.passes(shorter.training)

    def resolved(self, device: torch.device, network: NetworkConfig) -> Way:
        """With what `auto` means on this machine, and what is left to the base's network."""
        precision = choose(self.training.precision, device, network.resolution)
        chosen = likeness.choose(self.training.likeness)
        training = replace(self.training, precision=precision, likeness=chosen)
        return replace(self, training=fitted(training, network))


def way_of(recipe: str, adapter: str, pairs: Sequence[str], settings: Sequence[str], given: Mapping[str, Any]) -> Way:
    """The recipe of that name with an adapter, but where the user says otherwise.

    pairs: `key=value` of the adapter, settings: of the training; given: settings that are said by other options, each
    of them once. Raises UnknownRecipeError, what loading an adapter raises, OptionError, and TrainingConfigError for a
    value out of its range.
    """
    chosen, cls = recipe_of(recipe), registry.load(adapter)
    all_pairs = option_pairs(chosen, adapter, pairs)
    options.parse(cls.Config, all_pairs)
    return Way(adapter, tuple(all_pairs), training_of(chosen, cls.lr, settings, given), recipe)


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


def spelled(values: Mapping[str, Any]) -> list[str]:
    """As `key=value` pairs."""
    return [f"{key}={spell(value)}" for key, value in values.items()]


def _unsaid(values: Mapping[str, Any], said: Sequence[str]) -> list[str]:
    keys = {pair.partition("=")[0].strip() for pair in said}
    return spelled({key: value for key, value in values.items() if key not in keys})
