import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.generation.output import encode, grid, text_of

PICTURE = np.random.RandomState(0).randint(0, 256, (6, 5, 3), dtype=np.uint8)


def flat(level: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((3, 4, 3), level, np.uint8)


class TestEncode:
    def test_pixels_survive(self) -> None:
        with Image.open(io.BytesIO(encode(PICTURE, {}))) as image:
            assert np.array_equal(np.asarray(image), PICTURE)

    def test_equal_images_and_texts_give_equal_bytes(self) -> None:
        assert encode(PICTURE, {"seed": "7"}) == encode(PICTURE.copy(), {"seed": "7"})
        assert encode(PICTURE, {"seed": "7"}) != encode(PICTURE, {"seed": "8"})

    def test_plain_text_is_a_text_chunk_that_any_tool_reads(self) -> None:
        assert b"tEXtseed\x007" in encode(PICTURE, {"seed": "7"})  # PNG 1.2, 4.2.3.1: keyword, zero, text


class TestTextOf:
    def test_reads_back_what_was_written_in_order(self, tmp_path: Path) -> None:
        text = {"seed": "7", "task": "Kätzchen 猫", "base": "ab" * 32, "truncation": "0.7"}
        (tmp_path / "a.png").write_bytes(encode(PICTURE, text))
        assert list(text_of(tmp_path / "a.png").items()) == list(text.items())

    def test_is_empty_for_what_is_not_ours(self, tmp_path: Path) -> None:
        whole = encode(PICTURE, {"seed": "7"})
        Image.fromarray(PICTURE).save(tmp_path / "plain.png")
        Image.fromarray(PICTURE).save(tmp_path / "jpeg.png", "JPEG")
        (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "text.png").write_text("hello")
        for name in ("plain.png", "jpeg.png", "cut.png", "text.png", "missing.png"):
            assert text_of(tmp_path / name) == {}


class TestGrid:
    def test_every_image_lies_in_its_place(self) -> None:
        sheet = grid([[flat(10), flat(20)], [flat(30), flat(40)]], gap=1)
        assert sheet.shape == (1 + 2 * (3 + 1), 1 + 2 * (4 + 1), 3)
        assert sheet[1, 1, 0] == 10
        assert sheet[3, 9, 0] == 20
        assert sheet[5, 4, 0] == 30
        assert sheet[7, 6, 0] == 40

    def test_gaps_and_missing_images_show_the_background(self) -> None:
        sheet = grid([[flat(10), flat(20)], [flat(30)]], gap=2, background=99)
        assert np.all(sheet[:2] == 99)
        assert np.all(sheet[7:, 8:] == 99)
        assert (sheet == 99).sum() == sheet.size - 3 * flat(0).size

    def test_without_a_gap_images_touch(self) -> None:
        assert np.array_equal(grid([[flat(1), flat(2)]], gap=0), np.hstack([flat(1), flat(2)]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_has_no_note_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "seed0000.png")
    assert text_of(tmp_path / "seed0000.png") == {}
