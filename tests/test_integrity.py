"""One flipped bit anywhere in a task's or a base's file is found, by every load and without torch."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.io.safetensors import SEAL, read_header
from lfsgan_cli.networks.discriminator import Discriminator
from lfsgan_cli.testing import tiny_generator
from lfsgan_cli.workspace import base_file, task_file
from lfsgan_cli.workspace.base_file import Base, embedded_base, identity
from lfsgan_cli.workspace.task_file import BaseInfo, TaskFile, TaskInfo

BITS = 300  # flipped, each in a copy of its own
LOADS = 20  # with torch: they take longer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    generator = tiny_generator(seed=0)
    tiny = Base("tiny", identity(generator), generator, generator, Discriminator(generator.config))
    base_file.write(path, tiny, {"kimg": 3})
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("task") / "cats.safetensors"
    generator = tiny_generator(seed=0)
    about = TaskInfo("cats", "left", "1", {"rank": 1}, BaseInfo("ab" * 32, "tiny", generator.config.to_json()), {})
    tensors = {f"weights.{name}": tensor for name, tensor in generator.named_parameters()}
    task_file.write(path, about, tensors | {task_file.W_MEAN: generator.w_mean})
    return path


def survivors(path: Path, folder: Path, check: Callable[[Path], Any], count: int) -> list[int]:
    """The bits that a check did not miss when they were flipped; half of them in the header, half behind it."""
    content, rng, found = path.read_bytes(), random.Random(0), []  # noqa: S311 - places, no secrets
    header = 8 + int.from_bytes(content[:8], "little")
    key = content.index(SEAL.encode())
    name = range(8 * key, 8 * (key + len(SEAL)))  # without this name, the file is one of an earlier version
    damaged = folder / path.name
    for index in range(count):
        bit = rng.randrange(8 * header) if index % 2 else rng.randrange(8 * header, 8 * len(content))
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.write_bytes(flipped)
        try:
            check(damaged)
        except LfsganError as error:
            assert str(error).isprintable()  # noqa: PT017 - one line
            assert str(damaged) in str(error)  # noqa: PT017
        else:
            found += [] if bit in name else [bit]
    return found


def test_in_a_task(task: Path, tmp_path: Path) -> None:
    task_file.verify(task)
    assert survivors(task, tmp_path, task_file.verify, BITS) == []
    assert survivors(task, tmp_path, TaskFile.open, LOADS) == []


def test_in_a_base(base: Path, tmp_path: Path) -> None:
    base_file.verify(base)
    assert survivors(base, tmp_path, base_file.verify, BITS) == []
    assert survivors(base, tmp_path, Base.open, LOADS) == []


def test_in_the_embedded_base(tmp_path: Path) -> None:
    with embedded_base() as path:
        assert base_file.verify(path).identity == Base.open(path).identity
        assert SEAL in read_header(path).metadata
        assert survivors(path, tmp_path, base_file.verify, LOADS) == []
