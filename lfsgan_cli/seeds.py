"""Seeds: the largest there is, and lists of them as users write them, `0-63,70` (no torch)."""

from __future__ import annotations

import re

from lfsgan_cli.errors import LfsganError

LARGEST = 2**32 - 1  # of numpy's RandomState
MOST = 1_000_000


class SeedsError(LfsganError):
    """Seeds that cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"seeds {text!r}: {reason}; expected numbers and ranges such as 0-63,70")


def parse_seeds(text: str) -> list[int]:
    """The seeds in the order given, each once."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        first, last = _ends(text, part.strip())
        # Before the range is laid out: a long one would fill the memory first.
        if last - first >= MOST:
            raise SeedsError(text, f"more than {MOST:,} pictures at once")
        seeds.update(dict.fromkeys(range(first, last + 1)))
        if len(seeds) > MOST:
            raise SeedsError(text, f"more than {MOST:,} pictures at once")
    return list(seeds)


def _ends(text: str, part: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
    if not match:
        raise SeedsError(text, f"{part!r} is neither a number nor a range")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise SeedsError(text, f"{part!r} runs backwards")
    if last > LARGEST:
        raise SeedsError(text, f"{last} is larger than {LARGEST}")
    return first, last
