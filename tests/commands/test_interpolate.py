"""`lfsgan interpolate`: closed loops through latents and from task to task."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from lfsgan_cli.generation.interpolation import slerp
from lfsgan_cli.system.machine import STEP, PeakMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.conftest import Program

WALK = ("interpolate", "--task", "cats", "--frames", 6)


def frames(program: "Program", folder: str) -> "NDArray[np.int16]":
    """All frames of a folder, [N, H, W, 3]."""
    paths = sorted((program.folder / folder).glob("frame*.png"))
    return np.stack([np.asarray(Image.open(path), dtype=np.int16) for path in paths])


def is_closed(walk: "NDArray[np.int16]") -> bool:
    """Whether the first and last frame differ by no more than neighbours do."""
    steps = np.abs(np.diff(walk, axis=0)).mean((1, 2, 3))
    assert steps.max() > 0
    return bool(np.abs(walk[0] - walk[-1]).mean() <= steps.max())


@pytest.mark.parametrize("space", ["z", "w"])
def test_a_walk_passes_its_seeds_and_is_a_closed_loop(learned: "Program", space: str) -> None:
    learned.done(*WALK, "--seeds", "3,1,2", "--space", space, "--out", "walk")
    learned.done("generate", "cats", "--seeds", "3,1,2", "--noise", "const")
    walk = frames(learned, "walk")
    assert len(walk) == 18
    for index, seed in enumerate((3, 1, 2)):
        image = np.asarray(Image.open(learned.folder / f"out/cats/seed000{seed}.png"), dtype=np.int16)
        assert np.abs(walk[6 * index] - image).max() <= 1
    assert is_closed(walk)


def test_a_walk_from_task_to_task_passes_each_at_the_same_seeds_and_is_closed(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs", "--lr", 0.05)
    tasks = ("--task", "cats", "--task", "dogs", "--task", "base")
    learned.done("interpolate", *tasks, "--seeds", "0-5", "--grid", "3x2", "--frames", 4, "--out", "walk")
    learned.done("generate", "cats", "dogs", "--with-base", "--seeds", "0-5", "--noise", "const")
    walk = frames(learned, "walk")
    assert walk.shape == (12, 2 * 16, 3 * 16, 3)
    for index, task in enumerate(("cats", "dogs", "base")):
        image = np.asarray(Image.open(learned.folder / f"out/{task}/seed0004.png"), dtype=np.int16)
        assert np.abs(walk[4 * index, 16:, 16:32] - image).max() <= 1
    assert is_closed(walk)


def test_frames_between_two_tasks_are_blends(learned: "Program") -> None:
    learned.learn("dogs", "--images", "dogs", "--lr", 0.05)
    walk = ("interpolate", "--task", "cats", "--task", "dogs", "--seeds", "0", "--frames", 4, "--truncation", 0.7)
    learned.done(*walk, "--out", "walk")
    blend = ("--task", "cats=0.75,dogs=0.25", "--truncation", 0.7, "--noise", "const")
    learned.done("generate", *blend, "-n", 1)
    image = np.asarray(Image.open(next(learned.folder.glob("out/*/seed0000.png"))), dtype=np.int16)
    assert np.abs(frames(learned, "walk")[1] - image).max() <= 1


def test_every_place_of_a_grid_walks_through_its_own_seeds(learned: "Program") -> None:
    learned.done(*WALK, "--seeds", "0-3", "--grid", "2x1", "--out", "both")
    learned.done(*WALK, "--seeds", "2-3", "--out", "right")
    both, right = frames(learned, "both"), frames(learned, "right")
    assert both.shape[1:3] == (16, 32)
    assert np.abs(both[:, :, 16:] - right).max() <= 1


def test_smooth_easing_is_slower_near_keyframes(learned: "Program") -> None:
    options = ("--seeds", "0-1", "--frames", 10)
    for easing in ("linear", "smooth"):
        learned.done("interpolate", "--task", "cats", *options, "--easing", easing, "--out", easing)
    first = [np.abs(np.diff(frames(learned, easing)[:2], axis=0)).mean() for easing in ("linear", "smooth")]
    assert first[1] < first[0]


def test_an_mp4_has_every_frame(learned: "Program") -> None:
    av = pytest.importorskip("av")
    learned.done(*WALK, "--seeds", "0-1", "--out", "walk.mp4")
    with av.open(str(learned.folder / "walk.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_walk_of_a_thousand_frames_takes_no_more_memory_than_one_of_a_hundred(
    learned: "Program", suffix: str
) -> None:
    """Frames of 96×64 pixels: a thousand of them would be 18 MB."""

    def peak(frames: int) -> float:
        grid = ("--seeds", "0-47", "--grid", "6x4", "--frames", frames // 2)
        memory = PeakMemory(torch.device("cpu"))
        if memory.kind != STEP:
            pytest.skip("this system does not tell the peak of one piece of work")
        learned.done("interpolate", "--task", "cats", *grid, "--out", f"walk{frames}{suffix}", "--overwrite")
        assert memory.mb is not None
        return memory.mb

    peak(100)  # libraries are loaded, and buffers are made
    short, long = peak(100), peak(1000)
    whole = (learned.folder / f"walk1000{suffix}").stat().st_size / 1e6  # a WebP's own bytes are held until it is whole
    assert long - short < 4 + (3 * whole if suffix == ".webp" else 0)


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_a_walk_is_one_file_and_the_same_command_gives_the_same_bytes(learned: "Program", suffix: str) -> None:
    walk = (*WALK, "--seeds", "0-1", "--out", f"walk.{suffix}")
    assert learned.done(*walk).stdout == f"walk.{suffix}\n"
    before = learned.contents(f"walk.{suffix}")
    assert "is there already: pass --overwrite" in learned.refused(*walk)
    learned.done(*walk, "--overwrite")
    assert learned.contents(f"walk.{suffix}") == before
    with Image.open(learned.folder / f"walk.{suffix}") as image:
        assert getattr(image, "n_frames", 1) == 12


def test_json_and_dry_run(learned: "Program") -> None:
    planned = json.loads(learned.done(*WALK, "--seeds", "0-1", "--dry-run", "--json").stdout)
    assert planned == {"file": "walk.webp", "frames": 12, "fps": 24}
    assert not Path("walk.webp").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seeds", "0"), "at least two for each place"),
        (("--seeds", "0-4", "--grid", "2x1"), "expected a multiple of 2"),
        (("--task", "base", "--seeds", "0-4", "--grid", "2x2"), "expected as many places as images"),
        (("--grid", "3"), "'3': expected columns and rows such as 3x2"),
        (("--out", "walk.avi"), "expected a name that ends in .webp, .gif, .png, .mp4, or a folder"),
    ],
)
def test_a_mistake_is_one_line(learned: "Program", arguments: tuple[object, ...], words: str) -> None:
    assert words in learned.refused(*WALK, *arguments)


def test_slerp_keeps_to_the_sphere_and_passes_both_ends() -> None:
    a, b = torch.randn(2, 4, 16, generator=torch.Generator().manual_seed(0)).unbind()
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    middle = slerp(a, b, 0.5)
    torch.testing.assert_close(middle.norm(dim=1), (a.norm(dim=1) + b.norm(dim=1)) / 2)
    cosines = [torch.nn.functional.cosine_similarity(middle, end) for end in (a, b)]
    torch.testing.assert_close(cosines[0], cosines[1])
    assert slerp(a, a, 0.3).isfinite().all()
