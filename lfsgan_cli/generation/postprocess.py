"""What is done to an image after the network: a plain background made transparent, and another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from lfsgan_cli.generation.output import Pixels

Background: TypeAlias = Literal["keep", "transparent"]

NEAR = 14  # levels of 255 from the background's colour within which a pixel counts as background
RING = 2  # pixels beside the background whose alpha is estimated


@dataclass(frozen=True)
class Postprocess:
    """background: `transparent` cuts out a plain background (`cut_out`). size: side in pixels; None keeps it."""

    background: Background = "keep"
    size: int | None = None

    def __call__(self, image: Pixels) -> Pixels:
        """uint8 [H, W, 3] to [size, size, 3 or 4]."""
        changed = cut_out(image) if self.background == "transparent" else image
        if self.size is None or self.size == image.shape[0]:
            return changed
        return np.asarray(Image.fromarray(changed).resize((self.size, self.size), Image.Resampling.LANCZOS))

    def note(self) -> dict[str, Any]:
        """For PNG text; what is not done is left out."""
        background = {} if self.background == "keep" else {"background": self.background}
        return background if self.size is None else {**background, "size": self.size}


def cut_out(image: Pixels) -> Pixels:
    """An RGBA image [H, W, 4] without its plain background; an approximation by colour distance alone.

    The background's colour is the median of the border. Pixels of that colour that are connected to the border become
    transparent; those of the same colour inside the figure stay. Pixels beside the background are taken as a mixture of
    its colour and the figure's next to them: alpha is the share of the figure, and the background is taken out of the
    colour.
    """
    levels = image.astype(np.float32)
    border = np.concatenate([levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]])
    plain = np.median(border, axis=0)
    distance = np.abs(levels - plain).max(2)
    outside = _connected_to_border(distance <= NEAR)
    beside = _grown(outside, RING) & ~outside
    # The figure's own distance is the largest one in reach that is not background.
    inside = np.where(outside, 0, distance)
    reach = ImageFilter.MaxFilter(2 * RING + 1)
    figure = np.asarray(Image.fromarray(inside.astype(np.uint8)).filter(reach), dtype=np.float32)
    share = np.clip(distance / np.maximum(figure, 1), 0, 1)
    alpha = np.where(outside, 0, np.where(beside, share, 1))[..., None]
    colour = np.where(alpha > 0, (levels - (1 - alpha) * plain) / np.maximum(alpha, 1e-3), plain)
    result = np.concatenate([np.clip(colour, 0, 255), 255 * alpha], axis=2)
    return np.asarray(np.rint(result), dtype=np.uint8)


def is_plain(image: Pixels) -> bool:
    """Whether most of the border has one colour, so that there is a background to cut out."""
    border = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]]).astype(np.float32)
    return bool((np.abs(border - np.median(border, axis=0)).max(1) <= NEAR).mean() > 0.5)


def _connected_to_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of a mask that is connected to the border, by sweeps along rows and columns until nothing is added."""
    found = np.zeros_like(mask)
    found[[0, -1]], found[:, [0, -1]] = mask[[0, -1]], mask[:, [0, -1]]
    while True:
        grown = _along_runs(mask.T, _along_runs(mask, found).T).T
        if np.array_equal(grown, found):
            return found
        found = grown


def _along_runs(mask: NDArray[np.bool_], found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every horizontal run of the mask that has a found pixel, as a whole."""
    rows, columns = mask.shape
    runs = np.cumsum(~mask, axis=1) + (np.arange(rows) * (columns + 1))[:, None]  # equal within a run
    hit = np.zeros(rows * (columns + 1) + columns + 1, dtype=bool)
    hit[runs[found & mask]] = True
    return np.asarray(hit[runs] & mask)


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    grown = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * by + 1))
    return np.asarray(grown) > 0
