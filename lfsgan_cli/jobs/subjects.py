"""What can be measured: a task's drawings, the base's, or pictures that another program made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lfsgan_cli import tensorfile
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.drawing import BASE
from lfsgan_cli.jobs.sets import RESIZE, Drawn, Found, Pictures, Saved
from lfsgan_cli.jobs.sheets import check_folder, check_ours
from lfsgan_cli.jobs.styles import Style, drawer
from lfsgan_cli.networks.generator import Generator
from lfsgan_cli.pictures.dataset import PictureSet
from lfsgan_cli.pictures.decode import decode
from lfsgan_cli.pictures.errors import BadPicture, BadPictureError, BadPicturesError
from lfsgan_cli.pictures.source import Source, open_source
from lfsgan_cli.taskfolder import FEW_SHOTS, task_path
from lfsgan_cli.workspace import Workspace


class NoTaskError(LfsganError):
    """Nothing to measure."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"no task has been learned in {str(root)!r}; `lfsgan learn-task --images DIR --name NAME` learns one"
        )


@dataclass(frozen=True)
class Subject:
    """One set to be measured.

    open: gives the set when its turn comes, so that one network is in memory at a time; neighbours with the same one
    are different sides of one set, which is looked at once. count: of its pictures, of side `resolution`. shots: what
    it was learned from, where that is known; shotless: it was learned from none. note: what repeats the set. log: the
    folder of its `metrics.jsonl`. reals: what this one is compared with, unless all are compared with the same.
    way: what every name of its numbers ends in, so that none is taken for that of the task as it was learned.
    """

    title: str
    open: Callable[[], Pictures]
    count: int
    resolution: int
    shots: Found | None
    note: Mapping[str, Any]
    log: Path | None
    shotless: bool = False
    reals: Found | None = None
    way: str = ""


@dataclass(frozen=True)
class Gallery:
    """Draws the subjects of a workspace. save: the folder that keeps what is drawn, if any; shots: in place of all."""

    workspace: Workspace
    count: int
    style: Style
    device: torch.device
    shots: Path | None = None
    save: Path | None = None

    def task(self, name: str) -> Subject:
        """A learned task. Raises what reading it raises, and where `save` has files of others in the way."""
        self.workspace.info(name)
        content = tensorfile.read_header(task_path(self.workspace.root, name)).metadata["modelspec.hash_sha256"]
        folder = self.workspace.task_run(name)
        learned_from = self.shots or folder / FEW_SHOTS
        shots = found(learned_from, self.resolution) if learned_from.exists() else None
        way = "" if self.style.strength == 1 else f" strength={self.style.strength:g}"

        def network() -> Generator:
            return drawer(self.workspace, name, self.style, self.device)

        return replace(self._subject(name, network, self.style, shots, content, folder), way=way)

    def base(self) -> Subject:
        """The base itself."""
        shots = found(self.shots, self.resolution) if self.shots else None
        average = self.workspace.base.average
        style, run = self.style.of_base, self.workspace.base_run
        return replace(self._subject(BASE, lambda: average.to(self.device), style, shots, None, run), shotless=True)

    @property
    def resolution(self) -> int:
        """The side of all that is drawn."""
        return self.workspace.base.average.config.resolution

    def _subject(
        self,
        title: str,
        network: Callable[[], Generator],
        style: Style,
        shots: Found | None,
        content: str | None,
        log: Path,
    ) -> Subject:
        note = {
            "seeds": f"0-{self.count - 1}",
            **style.note(),
            "base": self.workspace.base.identity,
            "task_sha256": content,
            "device": str(self.device),
        }
        if self.save is not None:
            check_folder(self.save / title)
            check_ours([self.save / title / f"seed{seed:04}.png" for seed in range(self.count)])

        def open_drawn() -> Pictures:
            drawn = Drawn(network(), range(self.count), style)
            return drawn if self.save is None else Saved(drawn, self.save / title, {"task": title, **note})

        return Subject(title, open_drawn, self.count, self.resolution, shots, note, log)


def foreign(path: Path, shots: Path | None) -> Subject:
    """Pictures of any program, in a folder or zip file; measured at the side of the first one."""
    source = open_source(path)
    side = _side(source)
    pictures = Found(PictureSet(source, side))
    note = {"fakes": describe(pictures), "seeds": None, "base": None, "task_sha256": None}
    known = found(shots, side) if shots else None
    return Subject(path.stem, lambda: pictures, len(pictures), side, known, note, None)


def _side(source: Source) -> int:
    try:
        return min(decode(source.read(0)).picture.size)
    except BadPictureError as error:
        raise BadPicturesError(source.path, [BadPicture(source.names[0], error.reason)]) from error


def found(path: Path, resolution: int) -> Found:
    """The pictures at `path`; raises as `open_source` does."""
    return Found(PictureSet(open_source(path), resolution))


def describe(pictures: Found) -> dict[str, Any]:
    """What tells a found set from others."""
    name = pictures.pictures.source.path.name
    return {"name": name, "count": len(pictures), "sha256": pictures.identity, "resize": RESIZE}
