"""What generates in a style has the mean w that truncation pulls to, and a style cannot be absurd."""

import math

import pytest
import torch

from lfsgan_cli.apply import StrengthError
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of, mean_w
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import Program

CPU = torch.device("cpu")


@pytest.mark.parametrize("adapter", ["left", "cam"])
def test_between_base_and_task_truncation_pulls_to_the_mean_w_of_that_very_network(
    learned: Program, adapter: str
) -> None:
    learned.learn("cats", "--adapter", adapter, "--lr", 0.1, "--overwrite")
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    half = generator_of(workspace, "cats", SamplingOptions(0.7, "seed", 0.5), CPU)
    assert torch.equal(half.w_mean, mean_w(half))


def test_the_mean_w_of_half_a_task_is_not_half_way(learned: Program) -> None:
    learned.learn("cats", "--lr", 0.2, "--steps", 4, "--overwrite")
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    base, half, whole = (
        generator_of(workspace, "cats", SamplingOptions(0.7, "seed", s), CPU).w_mean for s in (0.0, 0.5, 1.0)
    )
    middle = (base + whole) / 2  # the mapping is not linear
    assert (half - middle).norm() > 0.01 * (whole - base).norm()


def test_at_both_ends_it_is_what_is_in_their_files(learned: Program) -> None:
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    none, whole = (
        generator_of(workspace, "cats", SamplingOptions(0.7, "seed", strength), CPU) for strength in (0.0, 1.0)
    )
    assert none is workspace.base.average
    assert torch.equal(whole.w_mean, workspace.generator("cats", CPU).w_mean)


def test_full_strength_goes_without_saying() -> None:
    assert SamplingOptions(0.7, "seed").note() == {"truncation": 0.7, "noise": "seed"}
    assert SamplingOptions(0.7, "seed", 0.5).note() == {"truncation": 0.7, "noise": "seed", "strength": 0.5}
    assert SamplingOptions(0.7, "seed", 0.5).of_base == SamplingOptions(0.7, "seed")


@pytest.mark.parametrize("number", [-0.1, 2.1, math.nan])
def test_what_cannot_be_generated_is_refused(number: float) -> None:
    with pytest.raises(StrengthError, match=f"strength {number}: "):
        SamplingOptions(1.0, "seed", number)
