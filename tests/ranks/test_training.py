"""One, two and four processes that torchrun starts train the same networks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ranks.running import torchrun

pytestmark = pytest.mark.torchrun

Log = list[dict[str, float]]


def losses(count: int, folder: Path, *options: object) -> Log:
    log = folder / f"log{count}.json"
    done = torchrun(count, "tests.ranks.program", log, *options)
    assert done.returncode == 0, done.stderr
    found: Log = json.loads(log.read_text())
    return found


def apart(one: Log, other: Log) -> float:
    """The largest relative difference of any loss in any step."""
    assert [step.keys() for step in one] == [step.keys() for step in other]
    return max(
        abs(mine[name] - its[name]) / max(abs(its[name]), 1e-3)
        for mine, its in zip(one, other, strict=True)
        for name in mine
    )


PLAIN = "--float64", "--features", 0  # in float64, the network of the features is slow


def test_one_two_and_four_ranks_have_the_same_losses_over_50_steps_in_float64(tmp_path: Path) -> None:
    runs = [losses(count, tmp_path, *PLAIN) for count in (1, 2, 4)]
    assert len(runs[0]) == 50
    assert {name for step in runs[0] for name in step} >= {"g", "d", "r1", "path", "path_mean"}
    assert max(apart(run, runs[0]) for run in runs[1:]) < 1e-6


def test_so_they_have_with_reconstruction_and_the_discriminator_on_frozen_features(tmp_path: Path) -> None:
    runs = [losses(count, tmp_path, "--float64", "--steps", 9, "--reconstructed", 4) for count in (1, 2, 4)]
    kinds: set[Any] = {name for step in runs[0] for name in step}
    assert kinds >= {"reconstruction", "g", "d", "r1", "path", "heads"}
    assert max(apart(run, runs[0]) for run in runs[1:]) < 1e-6


def test_so_they_have_with_adaptive_augmentation_of_real_generated_and_reconstructed_images(tmp_path: Path) -> None:
    runs = [losses(count, tmp_path, *PLAIN, "--steps", 9, "--reconstructed", 4, "--ada") for count in (1, 2, 4)]
    bare = losses(1, tmp_path, *PLAIN, "--steps", 9, "--reconstructed", 4)
    assert apart(bare[4:], runs[0][4:]) > 1e-3
    assert max(apart(run, runs[0]) for run in runs[1:]) < 1e-6


# With the discriminator on frozen features, rounding grows faster: its 60 layers see batches of other sizes, and Adam
# without momentum makes a whole step of any gradient. 2e-3 after 8 steps; float64 shows that nothing else differs.
@pytest.mark.parametrize(("features", "steps"), [(0, 8), (1, 2)])
def test_in_float32_they_have_the_same_losses_until_rounding_grows(features: int, steps: int, tmp_path: Path) -> None:
    runs = [losses(count, tmp_path, "--steps", steps, "--features", features) for count in (1, 2, 4)]
    assert max(apart(run, runs[0]) for run in runs[1:]) < 1e-5


def test_a_run_resumes_with_other_numbers_of_ranks_where_an_uninterrupted_one_goes(tmp_path: Path) -> None:
    whole = losses(1, tmp_path, *PLAIN)
    parts: Log = []
    for count, until in ((2, 15), (4, 30), (1, 50)):
        parts += losses(count, tmp_path, *PLAIN, "--checkpoint", tmp_path / "state.safetensors", "--until", until)
    assert apart(parts, whole) < 1e-6
