"""`lfsgan tasks merge`: a task as a network of its own generates what the task generates."""

import json

import pytest
import torch
from torch import Tensor

from lfsgan_cli.checkpoints.detect import read
from lfsgan_cli.generation.sampling import SamplingOptions, generator_of
from lfsgan_cli.networks.generator import Generator, build_generator
from lfsgan_cli.workspace.workspace import Workspace
from tests.conftest import Program


@torch.no_grad()
def drawn(generator: Generator) -> Tensor:
    z = torch.randn(3, generator.config.w_dim, generator=torch.Generator().manual_seed(0))
    images: Tensor = generator(z, truncation=0.7)
    return images


def rebuilt(program: Program, name: str) -> Generator:
    """A plain generator of what is in the file."""
    found = read(program.folder / name)
    generator = build_generator(found.config)
    assert found.average is not None
    assert found.w_mean is not None
    generator.load_state_dict({**found.average, "w_mean": found.w_mean})
    return generator


@pytest.mark.parametrize("out", ["cats.pt", "cats.safetensors"])
def test_the_merged_file_generates_the_task(learned: Program, out: str) -> None:
    learned.done("tasks", "merge", "cats", out)
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    expected = drawn(workspace.generator("cats", torch.device("cpu")))
    assert torch.equal(drawn(rebuilt(learned, out)), expected)
    assert not torch.equal(drawn(workspace.base.average), expected)


def test_a_merged_task_can_be_a_base(learned: Program) -> None:
    told = json.loads(learned.done("tasks", "merge", "cats", "cats.pt", "--json").stdout)
    assert told == {"file": "cats.pt", "task": "cats"}
    learned.done("base", "import", "cats.pt", "--workspace", "cats")
    learned.done("base", "show", "--workspace", "cats")


def test_a_task_of_feature_maps_cannot_be_merged(learned: Program) -> None:
    learned.learn("dogs", "--images", "dogs", "--adapter", "cam")
    assert "cannot be merged" in learned.refused("tasks", "merge", "dogs", "dogs.pt")


def test_what_is_there_is_not_replaced(learned: Program) -> None:
    learned.done("tasks", "merge", "cats", "cats.pt")
    assert "--overwrite" in learned.refused("tasks", "merge", "cats", "cats.pt")
    learned.done("tasks", "merge", "cats", "cats.pt", "--overwrite")


def test_a_task_that_is_not_there_is_named(learned: Program) -> None:
    assert "no task 'cat'" in learned.refused("tasks", "merge", "cat", "cat.pt")


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_the_merged_file_generates_the_task_at_a_strength(learned: Program, strength: float) -> None:
    learned.done("tasks", "merge", "cats", "cats.pt", "--strength", strength)
    workspace = Workspace(learned.folder / "lfsgan_workspace")
    expected = drawn(generator_of(workspace, "cats", SamplingOptions(0.7, "seed", strength), torch.device("cpu")))
    assert torch.equal(drawn(rebuilt(learned, "cats.pt")), expected)


@pytest.mark.parametrize("strength", ["-0.1", "1.3", "nan"])
def test_a_merged_file_at_an_impossible_strength_is_refused(learned: Program, strength: str) -> None:
    assert "--strength" in learned.refused("tasks", "merge", "cats", "cats.pt", "--strength", strength)
