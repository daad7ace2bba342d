"""Animations hold every frame at its time, and are written frame by frame."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.generation.animation import AnimationError, check_animation, write_animation
from lfsgan_cli.generation.output import Pixels, read_note

NOTE = {"task": ["cats"], "seed": [0]}


def frames(count: int, side: int = 64) -> Iterator[Pixels]:
    """A bright square that moves over grey noise, so that no frame is like another."""
    noise = np.random.RandomState(0).randint(0, 60, (side, side, 1)).repeat(3, 2)
    for index in range(count):
        frame = noise.copy()
        at = index * (side - 8) // max(count - 1, 1)
        frame[at : at + 8, at : at + 8] = (250, 120, 30)
        yield frame.astype(np.uint8)


@pytest.mark.parametrize(("suffix", "off"), [(".webp", 5), (".gif", 5), (".png", 0)])
def test_every_frame_is_there_in_order_and_lasts_as_long_as_it_should(tmp_path: Path, suffix: str, off: float) -> None:
    """off: how far a mean level may be."""
    path = tmp_path / f"walk{suffix}"
    write_animation(path, frames(30), 30, 24, NOTE)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 30
        assert image.info["loop"] == 0
        total = 0.0
        for index, expected in enumerate(frames(30)):
            image.seek(index)
            found = np.asarray(image.convert("RGB"), dtype=np.int16)
            assert np.abs(found - expected).mean() <= off
            total += image.info["duration"]
    assert total == pytest.approx(30 * 1000 / 24, rel=0.02)


def test_mp4_has_every_frame(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "walk.mp4"
    write_animation(path, frames(30), 30, 24, NOTE)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 24
    assert len(decoded) == 30
    # Colours are stored at half the resolution, so a square's edge is blurred.
    for found, expected in zip(decoded, frames(30), strict=True):
        assert np.abs(found.astype(np.int16) - expected).mean() < 20


def test_mp4_without_its_extra_is_one_line_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(AnimationError, match=r"MP4 needs PyAV.*pip install 'lfsgan\[video\]'"):
        check_animation(tmp_path / "walk.mp4", NOTE, overwrite=False)


def test_a_folder_takes_the_frames_with_their_notes(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    check_animation(folder, NOTE, overwrite=False)
    write_animation(folder, frames(3), 3, 24, NOTE)
    assert sorted(path.name for path in folder.iterdir()) == ["frame0000.png", "frame0001.png", "frame0002.png"]
    note = read_note(folder / "frame0002.png")
    assert note is not None
    assert note["frame"] == 2


@pytest.mark.parametrize(
    ("name", "words"), [("walk.avi", "expected a name that ends in"), ("there.webp", "is there already")]
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, words: str) -> None:
    tmp_path.joinpath("there.webp").write_bytes(b"mine")
    with pytest.raises(AnimationError, match=words):
        check_animation(tmp_path / name, NOTE, overwrite=False)


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png"])
def test_a_walk_ten_times_as_long_takes_no_more_memory(tmp_path: Path, suffix: str) -> None:
    """Frames of 64 kB: a thousand of them would be 49 MB."""

    def peak(count: int) -> int:
        tracemalloc.start()
        write_animation(tmp_path / f"walk{count}{suffix}", frames(count, 128), count, 24, NOTE)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    file = tmp_path / f"walk1000{suffix}"
    short, long = peak(100), peak(1000)
    # A WebP's own bytes, compressed, are in memory until it is whole.
    assert long - short < 1_000_000 + (3 * file.stat().st_size if suffix == ".webp" else 0)
