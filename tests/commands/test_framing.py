"""Images that are not square, from the option to the pixels that training sees and to the records."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.images.formats import PREVIEW, made_as

if TYPE_CHECKING:
    from tests.conftest import Program

RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


@pytest.fixture
def wide(program: "Program") -> Path:
    """Two wide images; the first one is red on the left and blue on the right."""
    folder: Path = program.folder / "wide"
    folder.mkdir()
    for index, (left, right) in enumerate(((RED, BLUE), (BLUE, WHITE))):
        image = Image.new("RGB", (32, 16), tuple(left))
        image.paste(tuple(right), (16, 0, 32, 16))
        image.save(folder / f"{index}.png")
    return folder


def preview(program: "Program", *words: object) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    said = program.done("learn-task", "--images", "wide", "--name", "w", "--dry-run", "--preview", "seen.png", *words)
    assert "The images as training sees them are in seen.png." in said.stderr
    data = program.contents("seen.png")
    assert made_as(data) == PREVIEW
    return np.asarray(Image.open(program.folder / "seen.png"))[2:-2, 2:18]  # without the gap, the first of 16 pixels


def test_a_preview_shows_the_pixels_that_training_sees(program: "Program", wide: Path) -> None:
    cropped, left = preview(program), preview(program, "--crop-position", "left")
    padded, stretched = preview(program, "--fit", "pad"), preview(program, "--fit", "stretch")
    assert (cropped[8, 2].tolist(), cropped[8, 13].tolist()) == (RED, BLUE)
    assert (left[8, 2].tolist(), left[8, 13].tolist()) == (RED, RED)
    assert (padded[1, 2].tolist(), padded[8, 2].tolist(), padded[8, 13].tolist()) == (WHITE, RED, BLUE)
    assert (stretched[1, 2].tolist(), stretched[1, 13].tolist()) == (RED, BLUE)
    assert "needs --dry-run" in program.refused("learn-task", "--images", "wide", "--name", "w", "--preview", "a.png")


def test_the_plan_says_how_images_are_framed_only_where_it_is_not_the_default(program: "Program", wide: Path) -> None:
    def plan(*words: object) -> dict[str, object]:
        plan: dict[str, object] = json.loads(
            program.done("learn-task", "--images", "wide", "--name", "w", "--dry-run", "--json", *words).stdout
        )["plan"]
        return plan

    assert not {"fit", "crop_position", "framing"} & plan().keys()
    assert plan("--fit", "pad")["fit"] == "pad"
    assert plan("--crop-position", "right")["crop_position"] == "right"


def test_images_can_be_named_one_by_one_even_those_of_lfsgan(learned: "Program") -> None:
    shots = [f"lfsgan_workspace/tasks/cats/few_shots/00000{index}.png" for index in range(2)]
    said = learned.done("learn-task", "--images", shots[0], "--images", shots[1], "--name", "w", "--dry-run").stderr
    assert "Using 2 images (16×16)." in said
    assert "left out 5 that lfsgan wrote or that are in a workspace" in learned.refused(
        "learn-task", "--images", "lfsgan_workspace/tasks/cats/few_shots", "--name", "w"
    )


def test_a_resumed_run_keeps_its_framing(begun: "Program") -> None:
    line = begun.refused("learn-task", "--name", "new", "--resume", "--fit", "pad")
    assert "--fit was crop, now pad" in line


def test_a_task_records_the_framing_that_is_not_the_default(program: "Program", wide: Path) -> None:
    program.learn("padded", "--images", "wide", "--fit", "pad")
    program.learn("cropped", "--images", "wide")
    padded, cropped = (
        json.loads(program.done("tasks", "show", name, "--json").stdout)["training"] for name in ("padded", "cropped")
    )
    assert padded["fit"] == "pad"
    assert not {"fit", "crop_position"} & {*cropped, *(padded.keys() - {"fit"})}


def test_evaluate_frames_real_images_as_training_did_and_says_so(program: "Program", wide: Path) -> None:
    program.done("learn-task", "--images", "wide", "--name", "padded", "--fit", "pad", "--steps", 1)
    measured = program.done("evaluate", "--task", "padded", "--kid", "--reals", "wide", "-n", 4, "--json")
    assert "Images are framed as in training, by --fit pad: padded." in measured.stderr
    assert "2 of 2 images are not square: padded with white." in measured.stderr
    (number,) = json.loads(measured.stdout)["results"]
    assert number["reals"]["resize"].startswith("pad, ")
