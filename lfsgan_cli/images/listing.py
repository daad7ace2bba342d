"""Which files of a source are used, which are skipped and why, and how that is worded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from lfsgan_cli.images.formats import SAMPLE, SUFFIXES, UNSUPPORTED, UnusableFile, format_of, made_as
from lfsgan_cli.io.files import CONFIG, CONFIG_MARK

_LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # of operating systems, in lower case
SHOWN = 3  # skipped files that a message names

# What is left out without naming each file: `reference` images are what others made, and `generated` ones may be
# samples of lfsgan, but never its grids or thumbnails; of `own` copies in a workspace all are wanted.
Use: TypeAlias = Literal["reference", "generated", "own"]


def skipped_text(skipped: Sequence[UnusableFile]) -> str:
    """`skipped 5: a.heic (not supported; …), b.txt (not an image), … and 2 more`; '' if nothing was skipped."""
    if not skipped:
        return ""
    named = ", ".join(f"{file.shown} ({file.reason})" for file in skipped[:SHOWN])
    more = f" and {len(skipped) - SHOWN:,} more" if len(skipped) > SHOWN else ""
    return f"skipped {len(skipped):,}: {named}{more}"


def left_out_text(count: int) -> str:
    """What is said of images that lfsgan wrote; '' if there are none."""
    return (
        f"left out {count:,} that lfsgan wrote or that {'are' if count > 1 else 'is'} in a workspace" if count else ""
    )


class Listing:
    """Sorts the files of a source into those that are used, those that are skipped, and those that are left out."""

    def __init__(self, use: Use) -> None:
        self._use = use
        self._used: list[str] = []
        self._skipped: list[tuple[bool, UnusableFile]] = []
        self.left_out = 0

    def add(self, name: str, head: Callable[[], bytes], *, trouble: str = "", in_workspace: bool = False) -> None:
        """One file. head: reads its first bytes. trouble: why it is not read, whatever it is."""
        path = PurePosixPath(name)
        suffix = path.suffix.lower()
        like_image = suffix in SUFFIXES or suffix in UNSUPPORTED
        hidden = any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in path.parts)
        if (
            path.name.lower() in _LITTER
            or (path.name == CONFIG and head().startswith(CONFIG_MARK.encode()))
            or (in_workspace and not like_image)
            or (hidden and not (like_image and not trouble and format_of(head()[:32])))
        ):
            return
        if trouble:
            self._skip(name, trouble, like_image)
        elif hidden:
            self._skip(name, "a hidden file", like_image)
        elif suffix in UNSUPPORTED:
            self._skip(name, "not supported; save it as PNG or JPEG", like_image)
        elif suffix not in SUFFIXES:
            kind = format_of(head()[:32])
            ending = (
                "not supported; save it as PNG or JPEG" if kind == "HEIF" else f"{kind} without that ending; rename it"
            )
            self._skip(name, ending if kind else "not an image", kind is not None)
        elif self._use != "own" and (in_workspace or made_as(head()) not in {None, self._allowed}):
            self.left_out += 1
        else:
            self._used.append(name)

    @property
    def _allowed(self) -> str | None:
        return SAMPLE if self._use == "generated" else None

    def _skip(self, name: str, reason: str, like_image: bool) -> None:
        self._skipped.append((not like_image, UnusableFile(name, reason)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of what is used."""
        return tuple(sorted(self._used))

    @property
    def skipped(self) -> tuple[UnusableFile, ...]:
        """Images first, then by name."""
        ordered = sorted(self._skipped, key=lambda item: (item[0], item[1].name))
        return tuple(file for _, file in ordered)
