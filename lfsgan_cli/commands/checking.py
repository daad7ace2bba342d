"""Looks at every picture of a large set before work starts, and shows how far that is."""

from typing import TYPE_CHECKING

from lfsgan_cli.commands.common import laid_on_white
from lfsgan_cli.console import say
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
