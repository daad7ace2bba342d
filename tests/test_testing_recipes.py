"""Every installed recipe keeps the contract, and the check finds each way in which one can break it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lfsgan_cli import registry
from lfsgan_cli.options import OptionError
from lfsgan_cli.recipe import Recipe, RecipeLoss, TrainedNetworks
from lfsgan_cli.testing import check_recipe

SETTINGS = {
    "anchors.kind": "none", "anchors.weight": 0.0, "mode_seeking.weight": 0.0, "energy_weight": 0.0,
    "memorization_weight": 0.0, "discriminator.r1_every": 2,
}  # fmt: skip


class Sound(RecipeLoss):
    """Pulls the mean color of samples to that of the training images; the broken ones differ in one thing each."""

    def generator_loss(self, step: int) -> Tensor | None:  # noqa: ARG002
        networks = self.networks
        images, _ = networks.generate(networks.generator, networks.latents(2), networks.noise(2))
        return (images.mean((0, 2, 3)) - networks.references.mean((0, 2, 3))).square().sum()


SOUND = Recipe({**SETTINGS, "loss_weight": 1.0}, about="Matches mean colors.", loss=Sound)


@pytest.mark.parametrize("name", ["default", "paper", "tgan", "freezed", "ada", "ewc", "cdc", "dcl"])
def test_a_recipe_that_comes_along_keeps_the_contract(name: str) -> None:
    check_recipe(registry.load_recipe(name))


@pytest.mark.parametrize("name", ["ada", "ewc", "cdc", "dcl"])
def test_it_does_with_another_adapter(name: str) -> None:
    check_recipe(registry.load_recipe(name), "left")


def test_a_sound_recipe_passes() -> None:
    check_recipe(SOUND)


class TwoNumbers(Sound):
    def generator_loss(self, step: int) -> Tensor | None:
        loss = super().generator_loss(step)
        return None if loss is None else loss.expand(2)


class NotFinite(Sound):
    def generator_loss(self, step: int) -> Tensor | None:
        loss = super().generator_loss(step)
        return None if loss is None else loss / 0


class Constant(RecipeLoss):
    def generator_loss(self, step: int) -> Tensor | None:  # noqa: ARG002
        return torch.ones(())


class Nothing(RecipeLoss):
    pass


class HoldsANetwork(Sound):
    def __init__(self, networks: TrainedNetworks) -> None:
        super().__init__(networks)
        self.discriminator = networks.discriminator


class GlobalRandom(Sound):
    def generator_loss(self, step: int) -> Tensor | None:
        loss = super().generator_loss(step)
        return None if loss is None else loss * torch.rand(())


class Forgetful(Sound):
    """Counts its steps in a plain attribute, which no checkpoint has."""

    calls = 1

    def generator_loss(self, step: int) -> Tensor | None:
        self.calls += 1
        loss = super().generator_loss(step)
        return None if loss is None else loss * self.calls


class WritesIntoTheBase(Sound):
    def generator_loss(self, step: int) -> Tensor | None:
        self.networks.base.synthesis.get_parameter("start").data.add_(1e-3)
        return super().generator_loss(step)


def with_loss(loss: Any) -> Recipe:
    return replace(SOUND, loss=loss)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (replace(SOUND, about=""), "about is empty"),
        (replace(SOUND, loss=None), "loss_weight is 1: expected a weight above 0 with a loss, and 0 without one"),
        (replace(SOUND, training=SETTINGS), "loss_weight is 0: expected"),
        (with_loss(TwoNumbers), r"generator_loss is of shape \[2\]: expected a scalar"),
        (with_loss(NotFinite), "generator_loss is inf: expected a finite number"),
        (with_loss(Constant), "generator_loss has no gradient"),
        (with_loss(Nothing), "both losses are None in the first step"),
        (with_loss(HoldsANetwork), "holds a network as a submodule"),
        (with_loss(GlobalRandom), "two runs with one seed differ in .*must come from networks.rng"),
        (with_loss(Forgetful), "a run resumed after step 1 differs in .*must be in its state dict"),
        (with_loss(WritesIntoTheBase), "training changed the frozen base: synthesis.start"),
    ],
)
def test_a_broken_recipe_is_told_what_it_breaks(broken: Recipe, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_recipe(broken)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda: replace(SOUND, training={**SOUND.training, "stesp": 1}), "unknown option 'stesp'"),
        (lambda: replace(SOUND, options={"left": {"rnak": 1}}), "unknown option 'rnak'"),
    ],
)
def test_a_setting_that_is_none_is_one_line(changed: Callable[[], Recipe], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        check_recipe(changed())
