"""Named ways to learn a task: the default one, and that of the public LFS-GAN code (no torch)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.wording import choices

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


def recipe(name: str) -> Recipe:
    """The recipe of that name; UnknownRecipeError."""
    if name not in RECIPES:
        raise UnknownRecipeError(name, RECIPES)
    return RECIPES[name]
