"""Named recipes for learning a task: the default, and that of the public LFS-GAN code; and a user's changes to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, get_args

from lfsgan_cli import options, registry
from lfsgan_cli.errors import LfsganError, choices
from lfsgan_cli.training.config import LearnConfig

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.networks.config import NetworkConfig

Name: TypeAlias = Literal["default", "paper"]
C = TypeVar("C")
NAMES: tuple[Name, ...] = get_args(Name)
DEFAULT: Name = "default"


class UnknownRecipeError(LfsganError):
    """A name that stands for no recipe."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no recipe {name!r}; the known ones are: {choices(known, name)}")


class SettingError(options.OptionError):
    """A `key=value` that a user passes, with the command that lists what is known."""

    def __init__(self, flag: str, error: options.OptionError, command: str) -> None:
        super().__init__(f"{flag}: {error}; `{command}` lists all of them with their meaning")


@dataclass(frozen=True)
class Recipe:
    """What differs from the defaults. training: of `LearnConfig`, by dotted names; options: of adapters, by name."""

    training: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# JJuOn/LFS-GAN at 17c12f7, its defaults and the options of its README, including its departures from the paper: mode
# seeking compares the first samples of the batch and sums over their pairs, clusters are the step's few images, the raw
# generator is trained on and the EMA generator sampled from, nothing is averaged, R1 never reaches the patches. What it
# shares with the default is stated too, so that a new default does not change it.
PAPER = Recipe(
    training={
        "steps": 3002,
        "batch": 4,
        "lr": 0.002,
        "mirror": True,
        "precision": "fp32",
        "perceptual": "auto",
        "generator": "raw",
        "mixing": 0.9,
        "path_weight": 2.0,
        "path_every": 4,
        "energy_weight": 0.0,
        "memorization_weight": 0.0,
        "anchors.kind": "random",
        "anchors.every": 4,
        "anchors.spread": 0.1,
        "anchors.noise": "fixed",
        "anchors.weight": 0.0,
        "anchors.inversion_steps": 0,
        "mode_seeking.weight": 1.0,
        "mode_seeking.every": 1,
        "mode_seeking.batch": 16,
        "mode_seeking.pairs": "first",
        "mode_seeking.reduction": "sum",
        "mode_seeking.centers": "batch",
        "mode_seeking.noise": "random",
        "mode_seeking.epsilon": 1e-5,
        "discriminator.lr": 0.002,
        "discriminator.freeze_blocks": 0,
        "discriminator.shift": 0.0,
        "discriminator.r1_gamma": 10.0,
        "discriminator.r1_scaled": False,
        "discriminator.r1_every": 16,
        "features.weight": 0.0,
        "features.ramp": 0,
        "features.lr": 0.0,
        "optim.mapping_lr_scale": 1.0,
        "optim.adapter_rates": False,
        "optim.decay": 0.0,
        "optim.gradients": "zeroed",
        "optim.ema_steps": 0.0,
    },
    options={"left": {"rank": 1, "init": "paper", "gates": "hard", "biases": False, "crossed": False}},
)
RECIPES: Mapping[str, Recipe] = {"default": Recipe(), "paper": PAPER}


def recipe_of(name: str) -> Recipe:
    """The recipe of that name; UnknownRecipeError."""
    if name not in RECIPES:
        raise UnknownRecipeError(name, RECIPES)
    return RECIPES[name]


def settings_of(name: str) -> list[options.Field]:
    """Every training setting in that recipe: dotted name, type, default there, and meaning with its source.

    The default of `lr` is that of an adapter without one of its own. UnknownRecipeError.
    """
    return options.describe(options.changed(LearnConfig(), recipe_of(name).training))


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


def task_recipe(
    recipe: str, adapter: str, pairs: Sequence[str], settings: Sequence[str], given: Mapping[str, Any]
) -> TaskRecipe:
    """The recipe of that name with an adapter, except where the user says otherwise.

    pairs: `key=value` of the adapter, settings: of the training; given: settings that other command-line options state,
    each of them once.

    Raises:
        UnknownRecipeError, what loading an adapter raises, OptionError, TrainingConfigError for a value out of range.
    """
    chosen, cls = recipe_of(recipe), registry.load(adapter)
    config = adapter_options(chosen, adapter, cls.Config, pairs)
    return TaskRecipe(adapter, config, training_of(chosen, cls.lr, settings, given), recipe)


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
