"""Reads the pickles of NVIDIA's StyleGAN2 without running anything of theirs: an allow-list of inert stand-ins.

The pickles hold the source text of their classes, and NVIDIA's own reader runs it; here it stays text.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from lfsgan_cli.checkpoints.found import CheckpointError
from lfsgan_cli.checkpoints.nvidia_objects import Blob, Encoded, Inert, Maker, Network, Parameter, Part, Placed, Table
from lfsgan_cli.checkpoints.survey import ForeignNameError, survey
from lfsgan_cli.checkpoints.torchfile import ForeignGlobalError, is_torch
from lfsgan_cli.plainfile import open_plain
from lfsgan_cli.wording import one_line

PROTOCOLS = (2, 3, 4, 5)
AVERAGE = "G_ema"  # what NVIDIA calls the generator's average
LONGEST_NAME = 80  # characters of a name that messages show

SMALLEST = 2  # bytes of a number: half precision

_STAND_INS: dict[tuple[str, str], object] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Network,
    ("dnnlib.util", "EasyDict"): Table,
    ("dnnlib", "EasyDict"): Table,
    ("collections", "OrderedDict"): Table,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): Encoded,
    ("torch._utils", "_rebuild_parameter"): Parameter,
    ("numpy", "dtype"): Inert,
    ("numpy", "ndarray"): Inert,
    ("numpy.core.multiarray", "scalar"): Inert,
    ("numpy._core.multiarray", "scalar"): Inert,
    ("numpy.core.multiarray", "_reconstruct"): Inert,
    ("numpy._core.multiarray", "_reconstruct"): Inert,
}


class DamagedPickleError(CheckpointError):
    """A pickle that ends too early, or says what makes no sense."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "is cut short, damaged, or no network pickle of NVIDIA's", "fetch it again, and compare its size"
        )


class TensorFlowPickleError(CheckpointError):
    """A pickle of the days of TensorFlow."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "is a pickle of NVIDIA's TensorFlow code",
            "convert it with legacy.py of NVIDIA's stylegan2-ada-pytorch, and import what that writes",
        )


def is_pickle(path: Path) -> bool:
    """Whether a file begins as a pickle of protocol 2 to 5 does, and not as one of torch's."""
    with open_plain(path) as file:
        head = file.read(64)
    return len(head) > 2 and head[0] == 0x80 and head[1] in PROTOCOLS and not is_torch(head)


def load(path: Path) -> dict[str, Part]:
    """The networks of a pickle of NVIDIA's under their names, such as `G_ema`; a network alone counts as that one.

    Memory: once the file, and the largest tensor. Raises ForeignGlobalError where the file asks for anything that is
    not in the list, TensorFlowPickleError, and DamagedPickleError.
    """
    try:
        found, blobs, tensors = _unpickled(path)
        _refuse_repeated(tensors, path.stat().st_size)
        # What the unpickler remembered is gone by now, so that every storage can replace its bytes.
        while blobs:
            _open(blobs.pop(), path)
        while tensors:
            tensors.pop().settle()
        named = found if isinstance(found, dict) else {AVERAGE: found}
        return {str(name): network.part() for name, network in named.items() if isinstance(network, Network)}
    except (CheckpointError, OSError):
        raise
    except Exception as error:  # damage leads readers to whatever exception they like
        raise DamagedPickleError(path) from error


class _Unpickler(pickle.Unpickler):
    """Calls stand-ins from a list, and nothing else."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path
        self.blobs, self.tensors = Maker(Blob), Maker(Placed)
        self.known = _STAND_INS | {
            ("torch.storage", "_load_from_bytes"): self.blobs,
            ("torch._utils", "_rebuild_tensor_v2"): self.tensors,
        }

    def find_class(self, module: str, name: str) -> object:
        """The stand-in; a look-up and no import."""
        if module.startswith("dnnlib.tflib"):
            raise TensorFlowPickleError(self.path)
        if (module, name) not in self.known:
            raise ForeignGlobalError(self.path, one_line(f"{module}.{name}")[:LONGEST_NAME])
        return self.known[module, name]

    def persistent_load(self, pid: object) -> NoReturn:
        """Nothing lies outside of these files."""
        raise ValueError(f"the pickle points out of itself: {type(pid).__name__}")


def _unpickled(path: Path) -> tuple[object, list[Blob], list[Placed]]:
    """What the file holds, and the storages and tensors within, which are still to be opened."""
    with open_plain(path) as file:
        survey(file, os.fstat(file.fileno()).st_size)
        file.seek(0)
        unpickler = _Unpickler(file, path)
        return unpickler.load(), unpickler.blobs.made, unpickler.tensors.made


def _refuse_repeated(tensors: Sequence[Placed], size: int) -> None:
    """Many tensors of the same numbers, which would each get their own."""
    if sum(tensor.count for tensor in tensors) * SMALLEST > size:
        raise ValueError("the tensors are larger than the file")


def _open(blob: Blob, path: Path) -> None:
    """Open a storage; what it asks for is refused by name, as in the pickle around it."""
    try:
        blob.open()
    except ForeignNameError as error:
        raise ForeignGlobalError(path, error.name) from None
    except Exception as error:
        if asked := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ForeignGlobalError(path, asked[1][:LONGEST_NAME]) from None
        raise
