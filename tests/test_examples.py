from pathlib import Path

import pytest

from lfsgan_cli.images.dataset import load_images
from lfsgan_cli.images.decode import decode

ROOT = Path(__file__).parent.parent
FEW_SHOTS = ROOT / "examples" / "few_shots"


@pytest.mark.parametrize("style", ["lorelei", "notionists", "openPeeps"])
def test_ten_different_images_of_each_style_can_be_learned_as_they_are(style: str) -> None:
    shots = load_images(FEW_SHOTS / style, 64)
    assert shots.pictures.shape == (10, 64, 64, 3)
    assert len({picture.tobytes() for picture in shots.pictures}) == 10
    assert not shots.summary.notes(can_fit=True)
    for name in shots.names:
        assert decode((FEW_SHOTS / style / name).read_bytes()).image.size == (64, 64)


def test_the_notice_names_every_style_that_comes_along() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for folder in FEW_SHOTS.iterdir():
        assert f"\n    {folder.name} " in notice
