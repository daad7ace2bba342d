"""How a rectangular image becomes a square one: cropped, padded or stretched (no Pillow)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

Fit: TypeAlias = Literal["crop", "pad", "stretch"]
CropPosition: TypeAlias = Literal["center", "top", "bottom", "left", "right"]

_OFFSET = {"top": 0.0, "left": 0.0, "center": 0.5, "bottom": 1.0, "right": 1.0}
_ACROSS, _DOWN = ("left", "right"), ("top", "bottom")


@dataclass(frozen=True)
class Framing:
    """fit: `crop` cuts the longer sides, `pad` adds white to the shorter ones, `stretch` changes the proportions.

    crop_position: the part that `crop` keeps. `left` and `right` act on wide images, `top` and `bottom` on tall ones;
    the others are cropped at the center.
    """

    fit: Fit = "crop"
    crop_position: CropPosition = "center"

    def __post_init__(self) -> None:
        """ValueError for other values, as a file may hold them."""
        if self.fit not in get_args(Fit) or self.crop_position not in get_args(CropPosition):
            raise ValueError(f"fit {self.fit!r} with crop position {self.crop_position!r}")

    @classmethod
    def taken_from(cls, document: Mapping[str, Any], default: Framing | None = None) -> tuple[Framing, dict[str, Any]]:
        """The framing that settings name, `default` for what they leave out, and all other settings."""
        named = {name: document[name] for name in ("fit", "crop_position") if name in document}
        return replace(default or cls(), **named), {name: document[name] for name in document if name not in named}

    def box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The largest square of an image, in pixels: left, top, right, bottom (the last two are outside)."""
        side = min(width, height)
        left = int((width - side) * self._share(_ACROSS))
        top = int((height - side) * self._share(_DOWN))
        return left, top, left + side, top + side

    def cut(self, width: int, height: int) -> float:
        """The share of an image's pixels that are cut off, from 0 to 1."""
        return 1 - min(width, height) / max(width, height) if self.fit == "crop" else 0.0

    def changes(self) -> dict[str, str]:
        """The settings that are not the default, under their options' names: what a record must say."""
        values = {"fit": self.fit, "crop_position": self.crop_position}
        return {name: value for name, value in values.items() if value != getattr(Framing, name)}

    def _share(self, sides: tuple[str, str]) -> float:
        return _OFFSET[self.crop_position] if self.crop_position in sides else _OFFSET["center"]


DEFAULT_FRAMING = Framing()
