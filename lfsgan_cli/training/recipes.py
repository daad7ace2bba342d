"""What a task is learned with: a named recipe, an adapter, and the user's changes to both (no torch on import)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from lfsgan_cli import options, registry
from lfsgan_cli.training.config import LearnConfig, TrainingConfigError

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.networks.config import NetworkConfig
    from lfsgan_cli.networks.generator import Generator
    from lfsgan_cli.recipe import Recipe

C = TypeVar("C")
DEFAULT = "default"


class SettingError(options.OptionError):
    """A `key=value` that a user passes, with the command that lists what is known."""

    def __init__(self, flag: str, error: options.OptionError, command: str) -> None:
        super().__init__(f"{flag}: {error}; `{command}` lists all of them with their meaning")


@dataclass(frozen=True)
class TaskRecipe:
    """What a task is learned with. options: of the adapter, an instance of its `Config`; recipe: a recipe's name."""

    adapter: str
    options: Any
    training: LearnConfig
    recipe: str = DEFAULT

    def seeded(self, seed: int) -> TaskRecipe:
        """With another seed."""
        return replace(self, training=replace(self.training, seed=seed))

    def resolved(self, device: torch.device, network: NetworkConfig) -> TaskRecipe:
        """With what `auto` means on this machine, and what is left to the base's network."""
        from lfsgan_cli.system.device import choose  # imports torch
        from lfsgan_cli.training import perceptual
        from lfsgan_cli.training.discriminator import fitted

        precision = choose(self.training.precision, device, network.resolution)
        chosen = perceptual.choose(self.training.perceptual)
        training = replace(self.training, precision=precision, perceptual=chosen)
        return replace(self, training=fitted(training, network))

    def check(self, base: Generator) -> None:
        """TrainingConfigError, UnsuitableAdapterError where it cannot be used on such a base, of any weights."""
        from lfsgan_cli.adapter import construct  # imports torch
        from lfsgan_cli.recipe import UnsuitableAdapterError
        from lfsgan_cli.training.discriminator import check_fits

        check_fits(self.training, base.config)
        loss = registry.load_recipe(self.recipe).loss
        if loss is not None and loss.needs_weights:
            cls = registry.load(self.adapter)
            if not construct(cls, base, cls.settled(self.options, base.config)).mergeable:
                raise UnsuitableAdapterError(self.recipe, self.adapter)


def task_recipe(
    recipe: str, adapter: str, pairs: Sequence[str], settings: Sequence[str], given: Mapping[str, Any]
) -> TaskRecipe:
    """The recipe of that name with an adapter, except where the user says otherwise.

    pairs: `key=value` of the adapter, settings: of the training; given: settings that other command-line options state,
    each of them once.

    Raises:
        What loading a recipe or an adapter raises, OptionError, TrainingConfigError for a value out of range.
    """
    chosen, cls = registry.load_recipe(recipe), registry.load(adapter)
    config = adapter_options(chosen, adapter, cls.Config, pairs)
    training = training_of(chosen, cls.lr, settings, given)
    if training.loss_weight and chosen.loss is None:
        raise TrainingConfigError(
            f"loss_weight is {training.loss_weight:g}, and the recipe {recipe!r} has no loss of its own: leave it out, "
            "or pass a --recipe that has one; see `lfsgan recipes`"
        )
    return TaskRecipe(adapter, config, training, recipe)


def training_of(recipe: Recipe, lr: float, settings: Sequence[str], given: Mapping[str, Any]) -> LearnConfig:
    """The training that a recipe asks for with an adapter whose learning rate is `lr`; see `task_recipe`."""
    said = setting_values(settings)
    for key in said.keys() & given.keys():
        raise options.RepeatedOptionError(key)
    return options.changed(LearnConfig(lr=lr), {**recipe.training, **said, **given})


def setting_values(settings: Sequence[str]) -> dict[str, Any]:
    """The values that `key=value` pairs of training settings name; SettingError."""
    try:
        return options.values(LearnConfig, settings)
    except options.OptionError as error:
        raise SettingError("-t", error, "lfsgan recipes") from error


def adapter_options(recipe: Recipe, adapter: str, config: type[C], pairs: Sequence[str]) -> C:
    """The adapter's options: the recipe's, except where the user says otherwise; see `task_recipe`."""
    try:
        return options.build(config, {**recipe.options.get(adapter, {}), **options.values(config, pairs)})
    except options.OptionError as error:
        raise SettingError("-o", error, f"lfsgan adapters {adapter}") from error


def spelled(values: Mapping[str, Any]) -> list[str]:
    """Nested values as `key=value` pairs with dotted keys."""
    return [f"{key}={options.spell(value)}" for key, value in options.flat(values).items()]
