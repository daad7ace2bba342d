"""`lfsgan style-mix`: a matrix with margins, whose cells take some layers from the column and the rest from the row."""

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from lfsgan_cli.generation.mixing import style_inputs
from lfsgan_cli.generation.sampling import map_seeds, synthesize
from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Program

MIX = ("style-mix", "--rows", "0-1", "--cols", "8-10", "--noise", "const")


def pixels(program: "Program", path: str) -> "NDArray[np.int16]":
    return np.asarray(Image.open(program.folder / path), dtype=np.int16)


def test_a_cell_takes_its_layers_from_the_column_and_the_rest_from_the_row(learned: "Program") -> None:
    result = learned.done(*MIX, "--task", "cats")
    assert result.stdout == "out/style-mix/grid.png\n"
    generator = Workspace(learned.folder / "lfsgan_workspace").generator("cats", torch.device("cpu"))
    row, column = generator.spread(map_seeds(generator, [1, 9])).clone()
    row[:3] = column[:3]  # 4×4 has one convolution, 8×8 has two: the coarse layers
    expected = next(synthesize(generator, row[None]))[0].permute(1, 2, 0).numpy()
    found = pixels(learned, "out/style-mix/row0001-col0009.png")
    assert np.abs(found - expected).max() <= 1


def test_the_margins_are_the_seeds_own_images(learned: "Program") -> None:
    learned.done(*MIX, "--task", "cats")
    learned.done("generate", "cats", "--seeds", "0,10", "--noise", "const", "--outdir", "plain")
    for seed in (0, 10):
        mixed, plain = (pixels(learned, f"{folder}/seed{seed:04}.png") for folder in ("out/style-mix", "plain/cats"))
        assert np.abs(mixed - plain).max() <= 1
    grid = pixels(learned, "out/style-mix/grid.png")
    assert grid.shape[0] > 3 * 16
    assert grid.shape[1] > 4 * 16


def test_all_layers_give_the_column_and_a_seed_with_itself_stays(learned: "Program") -> None:
    learned.done("style-mix", "--rows", "0", "--cols", "0,5", "--layers", "all", "--noise", "none", "--task", "cats")
    same, other = (pixels(learned, f"out/style-mix/row0000-col000{column}.png") for column in (0, 5))
    assert np.abs(same - pixels(learned, "out/style-mix/seed0000.png")).max() <= 1
    assert np.abs(other - pixels(learned, "out/style-mix/seed0005.png")).max() <= 1


def test_the_base_a_blend_and_the_only_task_can_be_mixed(learned: "Program") -> None:
    learned.done(*MIX, "--outdir", "only")
    learned.done(*MIX, "--task", "cats=1", "--outdir", "blend")
    learned.done(*MIX, "--task", "base", "--outdir", "base")
    cell = "row0000-col0008.png"
    assert learned.contents(f"only/{cell}") == learned.contents(f"blend/{cell}")
    assert not np.array_equal(pixels(learned, f"only/{cell}"), pixels(learned, f"base/{cell}"))


def test_json_lists_the_files_and_other_layers_are_not_mixed_in(learned: "Program") -> None:
    document = json.loads(learned.done(*MIX, "--json").stdout)
    assert len(document["pictures"]) == 5 + 6
    assert all(learned.folder.joinpath(path).is_file() for path in [*document["pictures"], document["grid"]])
    assert "mixed_layers coarse, this command has middle" in learned.refused(
        *MIX, "--task", "cats", "--layers", "middle"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*MIX, "--layers", "fine"), "a base of 16×16 pixels has no layer 'fine'"),
        ((*MIX, "--layers", "0-6"), "expected coarse, middle, fine, all, or sides of this base's layers from 4 to 16"),
        (("style-mix", "--rows", "x", "--cols", "1"), "neither a number nor a range"),
    ],
)
def test_a_mistake_is_one_line(learned: "Program", arguments: tuple[object, ...], words: str) -> None:
    assert words in learned.refused(*arguments, "--task", "cats")


def test_the_inputs_of_layers_are_those_of_nvidias_numbering() -> None:
    config = NetworkConfig.standard(256)
    assert style_inputs("coarse", config) == [0, 1, 2]
    assert style_inputs("middle", config) == [3, 4, 5, 6]
    assert style_inputs("fine", config) == [7, 8, 9, 10, 11, 12, 13]
    assert style_inputs("all", config) == list(range(config.latents))
