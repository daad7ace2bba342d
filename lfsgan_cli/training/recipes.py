"""Named ways to learn a task: the default one, and that of the public LFS-GAN code (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from lfsgan_cli import options, registry
from lfsgan_cli.errors import LfsganError, choices
from lfsgan_cli.options import spell
from lfsgan_cli.system.device import choose
from lfsgan_cli.training.config import LearnConfig

if TYPE_CHECKING:
    import torch

    from lfsgan_cli.networks.config import NetworkConfig

Name: TypeAlias = Literal["default", "paper"]
NAMES: tuple[Name, ...] = get_args(Name)
DEFAULT: Name = "default"


class UnknownRecipeError(LfsganError):
    """A name that stands for no recipe."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no recipe {name!r}; the known ones are: {choices(known, name)}")


@dataclass(frozen=True)
class Recipe:
    """What differs from the defaults. training: of `LearnConfig`; options: of adapters, by their names."""

    training: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# JJuOn/LFS-GAN at 17c12f7, its defaults and the options of its README, its departures from the paper included:
# mode seeking compares the first samples of the batch and sums over their pairs, clusters are the step's few pictures,
# the live base is trained on and the average drawn, nothing is averaged, R1 never meets the patches. What it shares
# with the default is said as well, so that a new default leaves it as it was.
PAPER = Recipe(
    training={
        "steps": 3002,
        "batch": 4,
        "lr": 0.002,
        "mapping_rate": 1.0,
        "own_rates": False,
        "d_lr": 0.002,
        "decay": 0.0,
        "mirror": True,
        "mixing": 0.9,
        "shift": 0.0,
        "r1_gamma": 10.0,
        "r1_scaled": False,
        "r1_every": 16,
        "path_weight": 2.0,
        "path_every": 4,
        "trained_on": "live",
        "freeze_blocks": 0,
        "patch_heads": 1,
        "gradients": "zeroed",
        "anchors": "random",
        "anchor_every": 4,
        "anchor_spread": 0.1,
        "anchor_noise": "fixed",
        "anchor_weight": 0.0,
        "anchors_each": 1,
        "anchor_inversion": 0,
        "whole_weight": 0.0,
        "seeking_weight": 1.0,
        "seeking_every": 1,
        "seeking_batch": 16,
        "seeking_pairs": "first",
        "seeking_scale": "sum",
        "seeking_centres": "batch",
        "seeking_noise": "random",
        "seeking_epsilon": 1e-5,
        "energy_weight": 0.0,
        "copy_weight": 0.0,
        "coverage_weight": 0.0,
        "correspondence_weight": 0.0,
        "held_out": 0,
        "average_steps": 0.0,
        "average_last": 0.0,
        "likeness": "auto",
        "precision": "fp32",
    },
    options={"left": {"rank": 1, "init": "paper", "gates": "hard", "biases": False, "crossed": False}},
)
RECIPES: Mapping[str, Recipe] = {"default": Recipe(), "paper": PAPER}


def recipe_of(name: str) -> Recipe:
    """The recipe of that name; UnknownRecipeError."""
    if name not in RECIPES:
        raise UnknownRecipeError(name, RECIPES)
    return RECIPES[name]


# Ways to learn a task: a recipe, what suits the adapter, and what the user says, put together.


@dataclass(frozen=True)
class TaskRecipe:
    """A way to learn a task. pairs: options of the adapter as `-o` takes them; recipe: the name of its recipe."""

    adapter: str
    pairs: tuple[str, ...]
    training: LearnConfig
    recipe: str = DEFAULT

    def seeded(self, seed: int) -> TaskRecipe:
        """With another seed."""
        return replace(self, training=replace(self.training, seed=seed))

    def passes(self, shorter: TaskRecipe) -> bool:
        """Whether what the shorter way learns is what this one has learned after as many steps."""
        alike = replace(shorter, training=self.training) == self
        return alike and self.training.passes(shorter.training)

    def resolved(self, device: torch.device, network: NetworkConfig) -> TaskRecipe:
        """With what `auto` means on this machine, and what is left to the base's network."""
        from lfsgan_cli.training import perceptual
        from lfsgan_cli.training.discriminator import fitted

        precision = choose(self.training.precision, device, network.resolution)
        chosen = perceptual.choose(self.training.likeness)
        training = replace(self.training, precision=precision, likeness=chosen)
        return replace(self, training=fitted(training, network))


def task_recipe(
    recipe: str, adapter: str, pairs: Sequence[str], settings: Sequence[str], given: Mapping[str, Any]
) -> TaskRecipe:
    """The recipe of that name with an adapter, but where the user says otherwise.

    pairs: `key=value` of the adapter, settings: of the training; given: settings that are said by other options, each
    of them once. Raises UnknownRecipeError, what loading an adapter raises, OptionError, and TrainingConfigError for a
    value out of its range.
    """
    chosen, cls = recipe_of(recipe), registry.load(adapter)
    all_pairs = option_pairs(chosen, adapter, pairs)
    options.parse(cls.Config, all_pairs)
    return TaskRecipe(adapter, tuple(all_pairs), training_of(chosen, cls.lr, settings, given), recipe)


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
