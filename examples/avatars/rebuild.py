"""Rebuilds the avatar sets from their public packages: `python rebuild.py OUT_DIR [STYLE ...]`; needs node and npm."""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE = 64  # pixels a side
SOURCE = "avataaars"
TARGETS = ("lorelei", "notionists", "openPeeps", "personas", "adventurer")
UNSEEN = ("micah", "bigSmile", "bottts")  # on which nothing was ever chosen; drawn if they are named
KNOWN = (SOURCE, *TARGETS, *UNSEEN)
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold; equal sets give equal files


@dataclass(frozen=True)
class AvatarSet:
    """Portraits `first` to `first + count - 1` of a style, and the zip file or folder that they go to."""

    style: str
    first: int
    count: int
    place: str


def sets_of(style: str) -> tuple[AvatarSet, ...]:
    """The sets of one style: twenty thousand to pretrain on, or ten to learn from and two thousand to measure with."""
    if style == SOURCE:
        return (AvatarSet(style, 0, 20_000, "avataaars-20k.zip"),)
    return (
        AvatarSet(style, 0, 10, f"{style}/few_shots"),
        AvatarSet(style, 1_000, 2_000, f"{style}/reals-2k.zip"),
    )


def run(command: list[str]) -> None:
    """Run a program beside this file, and end here when it is missing or fails; it has said why by then."""
    program = shutil.which(command[0])
    if program is None:
        sys.exit(f"no {command[0]} on this machine: install Node.js 18 or newer, which brings node and npm")
    if status := subprocess.run([program, *command[1:]], cwd=HERE, check=False).returncode:  # noqa: S603 - ours
        sys.exit(status)


def install() -> None:
    """Fetch the node packages that package.json names, unless they are there."""
    if not (HERE / "node_modules").is_dir():
        run(["npm", "install", "--no-package-lock"])


def draw(avatars: AvatarSet, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of every portrait, drawn by render.mjs into `folder`."""
    numbers = [str(number) for number in (avatars.first, avatars.count, SIZE)]
    run(["node", "render.mjs", avatars.style, *numbers, str(folder)])
    for file in sorted(folder.iterdir()):
        yield file.name, opaque(file)


def opaque(file: Path) -> bytes:
    """The same pixels as RGB: the background is white, so the alpha channel says nothing."""
    packed = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGB").save(packed, "PNG", optimize=True)
    return packed.getvalue()


def rebuild(avatars: AvatarSet, out: Path) -> Path:
    """Draw one set below `out`; what lies at its place already is replaced."""
    place = out / avatars.place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        portraits = draw(avatars, Path(folder))
        if place.suffix == ".zip":
            write_zip(place, portraits)
        else:
            write_folder(place, portraits)
    return place


def write_zip(place: Path, portraits: Iterator[tuple[str, bytes]]) -> None:
    """One zip file, its entries stored as they are (a PNG does not shrink further)."""
    with zipfile.ZipFile(place, "w") as file:
        for name, png in portraits:
            file.writestr(zipfile.ZipInfo(name, FIXED_DATE), png)


def write_folder(place: Path, portraits: Iterator[tuple[str, bytes]]) -> None:
    """One file a portrait."""
    place.mkdir(exist_ok=True)
    for name, png in portraits:
        (place / name).write_bytes(png)


def main() -> None:
    """Rebuild all sets, or those of the styles named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument(
        "styles",
        nargs="*",
        metavar="STYLE",
        help=f"{SOURCE}, {', '.join(TARGETS)} (all of these if none is named), {', '.join(UNSEEN)}",
    )
    arguments = parser.parse_args()
    for style in arguments.styles:
        if style not in KNOWN:
            parser.error(f"style {style!r}: expected one of {', '.join(KNOWN)}")
    install()
    for style in arguments.styles or (SOURCE, *TARGETS):
        for avatars in sets_of(style):
            print(rebuild(avatars, arguments.out), file=sys.stderr)


if __name__ == "__main__":
    main()
