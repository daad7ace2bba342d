"""A plain background is cut out with clean edges, and nothing inside the figure."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lfsgan_cli.generation.output import Pixels
from lfsgan_cli.generation.postprocess import Postprocess, cut_out, is_plain

SCALE = 8


def figure(background: str = "white") -> tuple[Pixels, Pixels]:
    """A red disc with a hole of the background's colour, [64, 64, 3], and the share of the disc in each pixel."""
    large = Image.new("RGB", (64 * SCALE,) * 2, background)
    mask = Image.new("L", large.size, 0)
    for image, colour, inner in ((large, (200, 30, 40), background), (mask, 255, 255)):
        pen = ImageDraw.Draw(image)
        pen.ellipse((10 * SCALE, 10 * SCALE, 54 * SCALE, 54 * SCALE), fill=colour)
        pen.ellipse((28 * SCALE, 28 * SCALE, 36 * SCALE, 36 * SCALE), fill=inner)
    return tuple(np.asarray(image.resize((64, 64), Image.Resampling.BOX)) for image in (large, mask))  # type: ignore[return-value]


@pytest.mark.parametrize("background", ["white", "lightblue"])
def test_alpha_is_the_share_of_the_figure_with_soft_edges(background: str) -> None:
    image, share = figure(background)
    alpha = cut_out(image)[..., 3]
    assert np.abs(alpha.astype(int) - share).mean() < 3  # levels of 255
    assert np.abs(alpha.astype(int) - share).max() < 80
    assert ((alpha > 20) & (alpha < 235)).sum() > 40  # an edge that is not a staircase
    assert alpha[32, 32] == 255  # the hole is inside, and stays
    assert alpha[0, 0] == 0


def test_no_rim_of_the_background_is_left_on_another_one() -> None:
    image, share = figure()
    cut = Image.fromarray(cut_out(image))
    on_black = np.asarray(Image.alpha_composite(Image.new("RGBA", cut.size, "black"), cut))[..., :3].astype(int)
    edge = (share > 20) & (share < 235)
    # Red on black has no green; a rim of white would.
    assert on_black[edge][:, 1].max() < 90
    assert np.asarray(image)[edge][:, 1].max() > 150


def test_noise_in_the_background_is_still_background() -> None:
    image, _ = figure()
    noisy = np.clip(image.astype(int) + np.random.RandomState(0).randint(-6, 7, image.shape), 0, 255).astype(np.uint8)
    alpha = cut_out(noisy)[..., 3]
    assert (alpha[:8] == 0).all()
    assert is_plain(noisy)
    assert not is_plain(np.random.RandomState(0).randint(0, 256, image.shape).astype(np.uint8))


def test_size_and_background_go_together() -> None:
    image, _ = figure()
    both = Postprocess("transparent", 128)
    assert both(image).shape == (128, 128, 4)
    assert both.note() == {"background": "transparent", "size": 128}
    assert Postprocess()(image) is image
    assert Postprocess().note() == {}
