"""Opens what `torch.save` wrote without running anything, or says in one sentence why not; and writes such files."""

from __future__ import annotations

import argparse
import io
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lfsgan_cli.checkpoints.found import CheckpointError
from lfsgan_cli.checkpoints.survey import ForeignNameError, survey_legacy, survey_zip
from lfsgan_cli.files import write_atomic
from lfsgan_cli.plainfile import open_plain
from lfsgan_cli.wording import one_line

ZIP = b"PK\x03\x04"
LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"  # the number that torch.save began with before its files became zips
LEGACY_WITHIN = 24  # bytes; pickle's own first words stand before it
LONGEST_NAME = 80  # characters of a name that messages show
# Python's own name of what people know under another one.
_KNOWN_AS = {"posix": "os", "nt": "os", "__builtin__": "builtins"}


class ForeignGlobalError(CheckpointError):
    """A file that wants a function or a class of some program to be called."""

    def __init__(self, path: Path, asked: str) -> None:
        module, _, name = asked.rpartition(".")
        super().__init__(
            path,
            f"is refused: it asks for {_shown(_KNOWN_AS.get(module, module), name)}, and weights need no such thing",
            "nothing was executed; ask its author for a file of plain tensors",
        )


class UnreadableError(CheckpointError):
    """A file that begins as torch's do, and does not go on so."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "is cut short, damaged, or no file that torch.save wrote", "fetch it again, and compare its size"
        )


def _shown(module: str, name: str) -> str:
    return one_line(f"{module}.{name}")[:LONGEST_NAME]


def is_torch(head: bytes) -> bool:
    """Whether a file's first bytes (32 suffice) are those of torch.save, zip or legacy."""
    return head.startswith(ZIP) or LEGACY in head[: LEGACY_WITHIN + len(LEGACY)]


def load(path: Path) -> Any:
    """What a torch file holds, its tensors on the CPU; those of a zip are mapped, so that only what is used is read.

    Besides plain values, `argparse.Namespace` is let through, which many training scripts save along and which does
    nothing. Raises ForeignGlobalError for any other class or function, UnreadableError for damage.
    """
    try:
        _survey(path)
        # Warnings are about formats of the past, which the user can do nothing about.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([argparse.Namespace]):
            return _load(path)
    except ForeignNameError as error:
        raise ForeignGlobalError(path, error.name) from None
    except Exception as error:  # damage leads torch's reader to whatever exception it likes
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if asked:
            raise ForeignGlobalError(path, asked[1]) from None
        raise UnreadableError(path) from error


def _survey(path: Path) -> None:
    with open_plain(path) as file:
        is_zip = file.read(len(ZIP)) == ZIP
        file.seek(0)
        if is_zip:
            survey_zip(file)
        else:
            survey_legacy(file, os.fstat(file.fileno()).st_size)


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP
        # Given a path, torch goes by its suffix and not by what is in the file; only a path can be mapped.
        if is_zip and path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)


def save(path: Path, document: Any) -> None:
    """Write what `torch.save` would, whole or not at all; FileWriteError where that cannot be done."""
    content = io.BytesIO()
    torch.save(document, content)
    write_atomic(path, content.getbuffer())


def check_distinct(path: Path, tensors: Iterable[Tensor]) -> None:
    """CheckpointError where tensors are larger together than their file: they share numbers, and copies would not."""
    size = path.stat().st_size
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors) > size:
        raise CheckpointError(
            path, f"claims more numbers than its {size:,} bytes can hold", "take an undamaged copy of plain tensors"
        )


def is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is numbers in memory, and no more of them than its file holds: damage can claim any size."""
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or not tensor.is_floating_point():
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
