"""Features are computed once for the same content, and never taken from a file that is not what was kept."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lfsgan_cli.evaluation import features
from lfsgan_cli.evaluation.features import remembered


class Counting:
    """Gives other numbers on every call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> dict[str, Tensor]:
        self.calls += 1
        return {"features": torch.full((2, 3), float(self.calls))}


def first_of(kept: Mapping[str, Tensor]) -> float:
    return float(kept["features"][0, 0])


@pytest.fixture
def compute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path))
    return Counting()


def test_an_equal_key_brings_back_what_was_computed(compute: Counting) -> None:
    first, again = (remembered({"set": "a", "size": 64}, compute) for _ in range(2))
    assert compute.calls == 1
    assert torch.equal(first["features"], again["features"])


def test_another_key_is_another_computation(compute: Counting) -> None:
    remembered({"set": "a"}, compute)
    assert first_of(remembered({"set": "b"}, compute)) == 2


def test_a_cache_that_cannot_be_written_loses_nothing(
    compute: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path / "file"))
    assert [first_of(remembered({"set": "a"}, compute)) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("place", [0, -1])
def test_a_damaged_file_is_replaced(compute: Counting, place: int) -> None:
    remembered({"set": "a"}, compute)
    (file,) = features.folder().iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[place] ^= 0xFF
    file.write_bytes(damaged)
    assert first_of(remembered({"set": "a"}, compute)) == 2
    assert first_of(remembered({"set": "a"}, compute)) == 2
