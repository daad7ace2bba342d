"""Looks at what a long work needs before it starts: every picture of a large set, and memory."""

from typing import TYPE_CHECKING

from lfsgan_cli.commands.common import laid_on_white
from lfsgan_cli.console import detail, say, warn
from lfsgan_cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lfsgan_cli.pictures.errors import BadPicture
    from lfsgan_cli.pictures.source import Source


def check_pictures(source: "Source") -> None:
    """BadPicturesError names every picture that cannot be used; transparency is said once."""
    from lfsgan_cli.pictures.dataset import conclude, examine

    with progress("Checking pictures", len(source.names), unit="pictures") as advance:

        def counted() -> "Iterator[bool | BadPicture]":
            for finding in examine(source):
                advance()
                yield finding

        checked = conclude(source, counted())
    if checked.transparent:
        say(laid_on_white(checked.transparent))


def tell_memory(needed: int, free: int | None, fewer: str) -> None:
    """How much memory the training is expected to take, in bytes; a warning where less is free.

    fewer: by which option pictures are fewer at once.
    """
    expected = f"about {_gigabytes(needed)} of memory"
    if free is None or needed <= free:
        detail(f"Expecting to take {expected}.")
    else:
        warn(
            f"this is expected to take {expected}, and {_gigabytes(free)} are free: "
            f"free some, or start with a smaller {fewer}, should it end for want of memory"
        )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
