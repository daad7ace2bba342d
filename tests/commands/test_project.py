"""`lfsgan project`: the latent of an image, which `generate` and `interpolate` take."""

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from lfsgan_cli.generation.sampling import Latents, read_latents
from lfsgan_cli.workspace.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Program

SHORT = ("--steps", 8, "--outdir", "found")


def pixels(program: "Program", path: str) -> "NDArray[np.int16]":
    return np.asarray(Image.open(program.folder / path), dtype=np.int16)


def test_a_projection_is_the_image_of_its_latents(learned: "Program") -> None:
    learned.done("generate", "--with-base", "-n", 1)
    document = json.loads(learned.done("project", "out/base/seed0000.png", *SHORT, "--json").stdout)
    assert sorted(path.name for path in learned.folder.joinpath("found").iterdir()) == [
        "config.toml", "latents.npz", "projection.png", "steps.png", "target.png",
    ]  # fmt: skip
    assert np.array_equal(pixels(learned, "found/target.png"), pixels(learned, "out/base/seed0000.png"))
    learned.done("generate", "--with-base", "--latents", document["latents"], "--outdir", "again")
    again = pixels(learned, "again/base/latent0000.png")
    assert np.abs(again - pixels(learned, "found/projection.png")).max() <= 1


def test_latents_have_nvidias_key_and_shape_and_no_pickle(learned: "Program") -> None:
    learned.done("project", "cats/00.png", *SHORT)
    with np.load(learned.folder / "found/latents.npz", allow_pickle=False) as arrays:
        assert arrays["w"].shape == (1, 6, 16)
        assert arrays["w"].dtype == np.float32
        assert len(np.unique(arrays["w"][0], axis=0)) > 1
    learned.done("project", "cats/00.png", "--steps", 8, "--space", "w", "--outdir", "one")
    with np.load(learned.folder / "one/latents.npz", allow_pickle=False) as arrays:
        assert len(np.unique(arrays["w"][0], axis=0)) == 1


def test_the_same_command_gives_the_same_bytes(learned: "Program") -> None:
    learned.done("project", "cats/00.png", *SHORT, "--task", "cats")
    first = learned.tree("found")
    learned.done("project", "cats/00.png", *SHORT, "--task", "cats")
    assert learned.tree("found") == first


def test_latents_are_generated_in_every_task_and_walked_through(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs", "--lr", 0.05)
    learned.done("project", "cats/00.png", *SHORT)
    latents = ("--latents", "found/latents.npz")
    learned.done("generate", "cats", "dogs", *latents)
    cats, dogs = (pixels(learned, f"out/{task}/latent0000.png") for task in ("cats", "dogs"))
    assert not np.array_equal(cats, dogs)
    learned.done(
        "interpolate", "--task", "cats", "--task", "dogs", *latents, "--frames", 2, "--noise", "seed", "--out", "walk"
    )
    assert np.abs(pixels(learned, "walk/frame0002.png") - dogs).max() <= 1


def test_another_image_is_not_projected_into_the_same_folder(learned: "Program") -> None:
    learned.done("project", "cats/00.png", *SHORT)
    assert "target_sha256" in learned.refused("project", "cats/01.png", *SHORT)
    learned.done("project", "cats/01.png", *SHORT, "--overwrite")


def test_an_image_far_from_all_samples_is_said_to_be_outside(learned: "Program") -> None:
    noise = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(noise).save(learned.folder / "noise.png")
    assert "the target is outside what base can generate" in learned.done("project", "noise.png", *SHORT).stderr


@pytest.mark.parametrize(
    ("w", "words"),
    [
        (torch.zeros(1, 5, 16), "holds 'w' of the shape [1, 5, 16], and this base needs [N, 6, 16]"),
        (torch.full((1, 6, 16), torch.nan), "is no .npz file of numbers"),
    ],
)
def test_latents_of_another_base_and_damaged_ones_are_refused(learned: "Program", w: torch.Tensor, words: str) -> None:
    Latents.of(w, []).write(learned.folder / "latents.npz")
    assert words in learned.refused("generate", "cats", "--latents", "latents.npz")


def test_latents_may_be_one_w_for_all_layers_and_need_no_noise(learned: "Program") -> None:
    config = Workspace(learned.folder / "lfsgan_workspace").base.average.config
    for shape in ((3, 16), (3, 1, 16), (3, 6, 16)):
        Latents.of(torch.zeros(shape), []).write(learned.folder / "latents.npz")
        found = read_latents(learned.folder / "latents.npz", config)
        assert found.w.shape == (3, 6, 16)
        assert found.noise is None
    learned.folder.joinpath("latents.npz").write_bytes(b"no zip")
    assert "is no .npz file of numbers" in learned.refused("generate", "cats", "--latents", "latents.npz")
