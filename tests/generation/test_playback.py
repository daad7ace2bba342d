"""Chromium plays every frame of an animation, at its speed; run by `-m browser`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lfsgan_cli.generation.animation import write_animation
from tests.generation.test_animation import NOTE, frames
from tests.report.test_browser import PATIENCE, chromium, tools

pytestmark = pytest.mark.browser

__all__ = ["chromium", "tools"]  # fixtures

PLAY = Path(__file__).parent / "browser" / "play.mjs"
COUNT, RATE = 48, 24


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png", ".mp4"])
def test_a_browser_plays_every_frame(tmp_path: Path, tools: Path, chromium: str, suffix: str) -> None:
    if suffix == ".mp4":
        pytest.importorskip("av")
    path = tmp_path / f"walk{suffix}"
    write_animation(path, frames(COUNT), COUNT, RATE, NOTE)
    run = subprocess.run(
        ["node", str(PLAY), str(path), chromium],
        env={**os.environ, "LFSGAN_BROWSER_TOOLS": str(tools)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen["frames"] == COUNT
    assert seen["seconds"] == pytest.approx(COUNT / RATE, rel=0.02)
    assert seen.get("loops", True)
