"""What a command says of the images it uses: how many, of which sizes, what was skipped, cut or enlarged, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lfsgan_cli.errors import printable
from lfsgan_cli.images.framing import DEFAULT_FRAMING, Framing
from lfsgan_cli.images.listing import SHOWN, left_out_text, skipped_text
from lfsgan_cli.images.source import Source

Size = tuple[int, int]  # width and height in pixels
EXTREME = 4  # times as long as wide, or more


@dataclass(frozen=True)
class Finding:
    """One image that can be used. size: upright, in pixels. digest: of its pixels as they are used."""

    name: str
    size: Size
    flattened: bool
    bad_profile: bool
    digest: bytes


@dataclass(frozen=True)
class ImageSummary:
    """Of the images of one source, at the side (in pixels) and in the framing in which they are used."""

    source: Source
    findings: Sequence[Finding]
    side: int
    framing: Framing = DEFAULT_FRAMING

    @property
    def different(self) -> int:
        """How many images are left when copies count once."""
        return len({found.digest for found in self.findings})

    def line(self) -> str:
        """`Using 7 images (512×512 to 2048×1365); skipped 3: …`."""
        count = len(self.findings)
        sizes = sorted({found.size for found in self.findings}, key=lambda size: (size[0] * size[1], size))
        span = " to ".join(_spelled(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
        told = [skipped_text(self.source.skipped), left_out_text(self.source.left_out)]
        return "; ".join([f"Using {count:,} image{'s' * (count != 1)} ({span})", *filter(None, told)]) + "."

    def notes(self, *, can_fit: bool) -> list[str]:
        """What is done to some of them, in a sentence each. can_fit: the command has `--fit`."""
        found = []
        flattened = sum(found.flattened for found in self.findings)
        if flattened:
            found.append(f"{_counted(flattened, self.findings)} transparent in parts: blended with white.")
        uneven = [found for found in self.findings if found.size[0] != found.size[1]]
        if uneven:
            most = max(self.framing.cut(*found.size) for found in uneven)
            hint = "; use --fit pad or --fit stretch to keep all of it" if can_fit else ""
            how = {
                "crop": f"cropped ({self.framing.crop_position}), which cuts up to {_percent(most)} of an image{hint}",
                "pad": "padded with white",
                "stretch": "stretched to a square",
            }[self.framing.fit]
            found.append(f"{_counted(len(uneven), self.findings)} not square: {how}.")
        return found

    def warnings(self) -> list[str]:
        """What is probably a mistake, in a sentence each."""
        told = []
        small = [found for found in self.findings if _used_side(found.size, self.framing) < self.side]
        if small:
            side = _spelled((self.side, self.side))
            told.append(f"{_counted(len(small), self.findings)} smaller than {side} and enlarged: {_named(small)}")
        extreme = [found for found in self.findings if max(found.size) >= EXTREME * min(found.size)]
        if extreme:
            told.append(
                f"{_counted(len(extreme), self.findings)} at least {EXTREME} times as long as wide: {_named(extreme)}"
            )
        copies = len(self.findings) - self.different
        if copies:
            told.append(f"{_counted(copies, self.findings)} a copy of another one (the same pixels)")
        bad = [found for found in self.findings if found.bad_profile]
        if bad:
            told.append(
                f"the color profile of {len(bad):,} image{'s' * (len(bad) != 1)} is damaged and ignored "
                f"(colors are read as sRGB): {_named(bad)}"
            )
        return told

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return images_json([self])


def images_json(summaries: Sequence[ImageSummary]) -> dict[str, Any]:
    """The images of all sources together: how many are used, the skipped files, and how many were left out."""
    return {
        "images": sum(len(one.findings) for one in summaries),
        "skipped": [file.to_json() for one in summaries for file in one.source.skipped],
        "left_out": sum(one.source.left_out for one in summaries),
    }


def _spelled(size: Size) -> str:
    return f"{size[0]}×{size[1]}"


def _counted(count: int, of: Sequence[Finding]) -> str:
    return f"{count:,} of {len(of):,} images {'is' if count == 1 else 'are'}"


def _percent(share: float) -> str:
    return f"{min(99, round(100 * share))} %"


def _used_side(size: Size, framing: Framing) -> int:
    return max(size) if framing.fit == "pad" else min(size)


def _named(found: Sequence[Finding]) -> str:
    named = ", ".join(f"{printable(one.name)} ({_spelled(one.size)})" for one in found[:SHOWN])
    return named + (f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else "")
