"""Whether every file of a home is whole: each is read by the reader that users meet, or its words are checked."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.files import CONFIG, partials
from lfsgan_cli.workspace import checkpoint_file
from lfsgan_cli.workspace.base_file import Base
from lfsgan_cli.workspace.paths import BASE_FILE, TRASH
from lfsgan_cli.workspace.task_file import TaskFile

LOCKS = (".lock",)
DATED = ("run.json", "retention.json", CONFIG)  # the last has the words of a command, also of one that resumes


def damaged(home: Path) -> list[str]:
    """The files that are not whole, each with what is wrong; temporary files of killed writes do not count."""
    left = {*partials(home)}
    found = []
    for path in sorted(home.rglob("*")):
        if path.is_file() and path not in left and path.suffix not in LOCKS:
            try:
                _read(path)
            except (LfsganError, OSError, ValueError, SyntaxError) as error:
                found.append(f"{path.relative_to(home)}: {error}")
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, without what tells dates, locks and what is left over."""
    left = {*partials(folder)}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in DATED
        and path.suffix not in LOCKS
        and path not in left
        and TRASH not in path.parts
    }


def _read(path: Path) -> None:
    if path.suffix in _READERS:
        _READERS[path.suffix](path)
    elif path.name == BASE_FILE:
        Base.open(path)
    elif path.name.startswith("state"):
        checkpoint_file.read(path)
    else:
        TaskFile.open(path)  # tasks, and the snapshots of their runs


def _read_toml(path: Path) -> None:
    tomllib.loads(path.read_text(encoding="utf-8"))


def _read_picture(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()


def _read_json(path: Path) -> None:
    json.loads(path.read_text(encoding="utf-8"))


def _read_lines(path: Path) -> None:
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last one is being written; `--resume` cuts it off
            json.loads(line)


def _read_nothing(_path: Path) -> None:
    """What is imported, and nobody writes."""


_READERS: dict[str, Callable[[Path], None]] = {
    ".png": _read_picture,
    ".json": _read_json,
    ".jsonl": _read_lines,
    ".toml": _read_toml,
    ".pt": _read_nothing,
}
