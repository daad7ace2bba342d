"""Blends: tasks with weights wherever a task is named, strengths for single layers, and blends stored as tasks."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.networks.config import NetworkConfig
from lfsgan_cli.networks.generator import build_generator
from lfsgan_cli.workspace.blend import LayersError, layer_of, layers, parse_strength, sides_of
from tests.conftest import Program, _moved_in, _standing_in

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def blending_home(learned_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with `cats` and `dogs` by LeFT, and `cows` by CAM, far enough from the base to be told apart."""
    home = tmp_path_factory.mktemp("blending") / "home"
    shutil.copytree(learned_home, home)
    with _standing_in(home):
        program = Program(home)
        program.learn("cats", "--lr", 0.05, "-o", "rank=1", "--overwrite")
        program.learn("dogs", "--images", "dogs", "--lr", 0.05, "-o", "rank=1")
        program.learn("cows", "--images", "dogs", "--adapter", "cam", "--lr", 0.05)
    return home


@pytest.fixture
def blending(blending_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return _moved_in(blending_home, tmp_path / "home", monkeypatch)


def generated(program: Program, outdir: str, task: str, *options: object) -> "NDArray[np.int16]":
    """Two images of a task or blend, [2, H, W, 3]."""
    program.done("generate", "--task", task, "-n", 2, "--truncation", 0.7, "--outdir", outdir, *options)
    paths = sorted((program.folder / outdir).glob("*/seed*.png"))
    return np.stack([np.asarray(Image.open(path), dtype=np.int16) for path in paths])


@pytest.mark.parametrize("task", ["cats", "cows"])
def test_one_task_of_weight_1_is_that_task_and_of_weight_0_the_base(blending: Program, task: str) -> None:
    alone = generated(blending, "alone", task)
    assert np.array_equal(generated(blending, "one", f"{task}=1"), alone)
    assert np.array_equal(generated(blending, "none_of_dogs", f"{task}=1,dogs=0"), alone)
    blending.done("generate", "--with-base", "-n", 2, "--truncation", 0.7, "--outdir", "base")
    base = np.stack([np.asarray(Image.open(blending.folder / f"base/base/seed000{i}.png")) for i in (0, 1)])
    assert np.array_equal(generated(blending, "zero", f"{task}=0"), base)
    assert not np.array_equal(alone, base)


@pytest.mark.parametrize("pair", [("cats", "dogs"), ("cats", "cows")])
def test_the_order_of_the_tasks_makes_no_difference(blending: Program, pair: tuple[str, str]) -> None:
    a, b = pair
    one = generated(blending, "one", f"{a}=0.5,{b}=0.5")
    other = generated(blending, "other", f"{b}=0.5,{a}=0.5")
    assert np.abs(one - other).max() <= 1
    for task in pair:  # it is neither of the two
        assert np.abs(one - generated(blending, task, task)).max() > 1


def test_a_strength_is_a_weight(blending: Program) -> None:
    assert np.array_equal(generated(blending, "a", "cats", "--strength", 0.7), generated(blending, "b", "cats=0.7"))
    half = generated(blending, "c", "cats=1,dogs=0.5", "--strength", 0.5)
    assert np.abs(half - generated(blending, "d", "cats=0.5,dogs=0.25")).max() <= 1


def test_weights_may_be_negative_and_need_no_sum(blending: Program) -> None:
    images = [generated(blending, f"b{i}", blend) for i, blend in enumerate(("cats=-0.5", "cats=1.5,dogs=-0.5"))]
    assert not np.array_equal(images[0], images[1])


def test_a_strength_of_all_layers_is_that_of_the_task_and_single_ones_lie_between(blending: Program) -> None:
    whole = generated(blending, "whole", "cats", "--strength", 0.5)
    assert np.array_equal(generated(blending, "all", "cats", "--strength", "all=0.5,mapping=0.5"), whole)
    coarse = generated(blending, "coarse", "cats", "--strength", "4-8=1,16=0,mapping=0")
    fine = generated(blending, "fine", "cats", "--strength", "coarse=0,middle=1,mapping=0")
    assert not np.array_equal(coarse, fine)
    base = generated(blending, "none", "cats", "--strength", "all=0,mapping=0")
    assert np.array_equal(base, generated(blending, "zero", "cats", "--strength", 0))


def test_a_blend_is_evaluated(blending: Program) -> None:
    options = ("--kid", "--reals", "dogs", "-n", 4, "--json", "--features", "efficientnet-lite0")
    document = json.loads(blending.done("evaluate", "--task", "cats=0.5,dogs=0.5", *options).stdout)
    assert [result["task"] for result in document["results"]] == ["cats=0.5,dogs=0.5"]
    assert set(document["results"][0]["task_sha256"]) == {"cats", "dogs"}


def test_a_stored_blend_gives_the_images_of_the_blend(blending: Program) -> None:
    blending.done("tasks", "mix", "mixed", "--task", "cats=0.6,cows=0.4")
    expected = generated(blending, "blend", "cats=0.6,cows=0.4")
    assert np.array_equal(generated(blending, "stored", "mixed"), expected)
    assert "mixed" in blending.done("tasks", "list").stdout
    blending.done("tasks", "verify")
    blending.done("evaluate", "--retention", "--task", "mixed")


def test_a_stored_blend_needs_nothing_outside_its_file(blending: Program) -> None:
    blending.done("tasks", "mix", "mixed", "--task", "cats=0.6,dogs=0.4", "--strength", "coarse=0.5")
    expected = generated(blending, "before", "mixed")
    blending.done("tasks", "remove", "cats", "dogs")
    assert np.array_equal(generated(blending, "after", "mixed"), expected)


def test_a_stored_blend_can_be_blended_again(blending: Program) -> None:
    blending.done("tasks", "mix", "mixed", "--task", "cats=0.5,dogs=0.5")
    again = generated(blending, "again", "mixed=0.5,cats=0.5")
    blending.done("tasks", "mix", "twice", "--task", "mixed=0.5,cats=0.5")
    assert np.abs(generated(blending, "stored", "twice") - again).max() <= 1
    assert np.abs(generated(blending, "plain", "cats=0.75,dogs=0.25") - again).max() <= 1


def test_mixing_takes_no_name_that_is_taken(blending: Program) -> None:
    line = blending.refused("tasks", "mix", "cats", "--task", "cats=0.5,dogs=0.5")
    assert "cats" in line
    assert "--overwrite" in line


def test_every_weight_of_a_generator_belongs_to_one_layer() -> None:
    config = NetworkConfig.standard(64)
    found = {
        layer_of(name, config)
        for name, _ in build_generator(NetworkConfig(16, {4: 4, 8: 4, 16: 4}, 4, 1)).named_parameters()
    }
    assert found == {"mapping", "4", "8", "16"}
    assert layers(config) == ["mapping", "4", "8", "16", "32", "64"]
    assert layer_of("synthesis.convs.7.conv.weight", config) == "64"
    assert layer_of("synthesis.convs.0.conv", config) == "4"
    assert layer_of("synthesis.to_rgbs.3.conv.weight", config) == "32"


def test_layers_are_named_as_in_the_stylegan_paper_or_by_their_side() -> None:
    config = NetworkConfig.standard(256)
    assert sides_of("coarse", config, "") == [4, 8]
    assert sides_of("middle+fine", config, "") == [16, 32, 64, 128, 256]
    assert sides_of("4-16", config, "") == [4, 8, 16]
    with pytest.raises(LayersError, match="has no layer '5-9'"):
        sides_of("5-9", config, "")
    assert str(parse_strength("coarse=1,64-256=0.5")) == "coarse=1,64-256=0.5"
