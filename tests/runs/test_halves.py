"""Shots that are held out choose the snapshot, and are never learned from."""

from pathlib import Path

import numpy as np

from lfsgan_cli.images.dataset import load_images
from lfsgan_cli.runs.plan import halves
from tests.conftest import paint


def test_every_shot_is_either_learned_from_or_held_out(tmp_path: Path) -> None:
    paint(tmp_path / "shots", 5, seed=1)
    shots = load_images(tmp_path / "shots", 16)
    learned, held = halves(shots, 2)
    assert (len(learned), len(held)) == (3, 2)
    assert np.array_equal(np.concatenate([learned, held]), shots.pictures)
    assert len(halves(shots, 0)[1]) == 0
