"""The content of a report, without its looks: a page of sections with tables, images, curves, facts and gaps."""

import struct
from base64 import b64encode
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from lfsgan_cli.benchmark.results import Measured

_PNG_SIZE = slice(16, 24)  # width and height, big-endian, in the header chunk that every PNG begins with

Cell: TypeAlias = str | int | float | Measured | None  # None: there is no such number
Row: TypeAlias = tuple[Cell, ...]
Fact: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Picture:
    """A PNG, and what it shows in words, for screen readers."""

    data: bytes
    alt: str

    @property
    def url(self) -> str:
        """The image itself as a data URL, so that the page needs no other file."""
        return f"data:image/png;base64,{b64encode(self.data).decode('ascii')}"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the PNG's header says."""
        width, height = struct.unpack(">II", self.data[_PNG_SIZE])
        return width, height


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the first cell of a row names it."""

    kind: ClassVar[str] = "table"
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Thumbnails side by side."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclass(frozen=True)
class SeedRows:
    """Rows of samples; a column is one seed."""

    kind: ClassVar[str] = "seed_rows"
    title: str
    seeds: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]
    note: str = ""


@dataclass(frozen=True)
class ImageGrid:
    """One large image with a grid of samples."""

    kind: ClassVar[str] = "image_grid"
    title: str
    picture: Picture
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One curve: points (x, y) in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Curves over one axis; `description` says in words what they show."""

    kind: ClassVar[str] = "chart"
    title: str
    description: str
    x_label: str
    series: tuple[Series, ...]
    note: str = ""


@dataclass(frozen=True)
class Scatter:
    """Named points (x, y) with x on a logarithmic scale; `front` names those that no other point beats in both."""

    kind: ClassVar[str] = "scatter"
    title: str
    description: str
    x_label: str
    y_label: str
    points: tuple[tuple[str, float, float], ...]
    front: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Terms with their values."""

    kind: ClassVar[str] = "facts"
    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Listing:
    """The text of a file."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


@dataclass(frozen=True)
class Gap:
    """Something that is not there, and the command that makes it ('' where none does)."""

    kind: ClassVar[str] = "gap"
    title: str
    why: str
    command: str = ""


Block: TypeAlias = Table | Gallery | SeedRows | ImageGrid | Chart | Scatter | Facts | Listing | Gap


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where the screen is wide enough."""

    kind: ClassVar[str] = "beside"
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading. anchor: unique on the page."""

    anchor: str
    title: str
    blocks: tuple[Block | Beside, ...]
    intro: str = ""
    sections: tuple["Section", ...] = ()

    def flat(self) -> tuple[Block, ...]:
        """Its own blocks in order, without those of its subsections."""
        return tuple(one for block in self.blocks for one in (block.blocks if isinstance(block, Beside) else (block,)))


@dataclass(frozen=True)
class Page:
    """The whole report. kind: 'Workspace' or 'Benchmark'."""

    kind: str
    title: str
    intro: str
    facts: tuple[Fact, ...]
    sections: tuple[Section, ...]

    def walk(self) -> tuple[Section, ...]:
        """Every section, and each one's subsections after it."""
        return tuple(part for section in self.sections for part in (section, *section.sections))
