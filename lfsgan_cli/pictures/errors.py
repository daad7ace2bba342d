"""What can be wrong with the user's pictures, each in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.pictures.formats import SUFFIXES
from lfsgan_cli.wording import printable


class PicturesNotFoundError(LfsganError):
    """There is nothing at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no pictures at {str(path)!r}: there is no such folder or zip file; check the path")


class NotASourceError(LfsganError):
    """The path is something else than a folder or a zip file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is neither a folder nor a zip file: put the pictures into a folder")


class BrokenZipError(LfsganError):
    """A zip file whose list of entries cannot be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{str(path)!r} is not a whole zip file (damaged or cut off): copy it anew")


class HarmfulZipError(LfsganError):
    """A zip file that takes far more memory or time than its size: made so, or damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{str(path)!r} is refused: {reason}; nothing was unpacked: put the pictures into a folder")


class UnreadableSourceError(LfsganError):
    """The operating system refuses to read the folder or zip file."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = error.strerror or "unknown reason"
        super().__init__(f"cannot read {str(error.filename or path)!r} ({reason}): check that you may open it")


class NoPicturesError(LfsganError):
    """A folder or zip file without a single picture."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no picture in {str(path)!r}: looked for names ending in {' '.join(SUFFIXES)} "
            "(hidden files, and links and names that lead out of it, are left out)"
        )


class TooFewPicturesError(LfsganError):
    """One picture: nothing to tell apart what the domain shares from what this picture shows."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"only one picture in {str(path)!r} ({printable(name)}): learning needs at least two, about ten are usual"
        )


class BadPictureError(LfsganError):
    """One picture that cannot be used; `reason` says why in a few words, and its owner adds the name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class BadPicture:
    """A picture that cannot be used: its name in the source, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.name)}: {self.reason}"


class BadPicturesError(LfsganError):
    """Every picture of a source that cannot be used, each with its reason; `bad` lists them for programs."""

    def __init__(self, path: Path, bad: Sequence[BadPicture]) -> None:
        self.bad = tuple(bad)
        count, way_out = ("a picture", "it") if len(bad) == 1 else (f"{len(bad)} pictures", "them")
        listed = "; ".join(map(str, bad))
        super().__init__(f"{count} in {str(path)!r} cannot be used: {listed} (mend {way_out} or take {way_out} out)")
