"""Results are computed once for the same content, and never taken from a file that is not what was saved."""

from pathlib import Path

import pytest
import torch

from lfsgan_cli.evaluation.features import load_cached, save_cached

VALUE = torch.arange(6.0).view(2, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path))
    return tmp_path / "features"


def test_an_equal_key_brings_back_what_was_saved() -> None:
    save_cached({"set": "a", "size": 64}, VALUE)
    found = load_cached({"size": 64, "set": "a"})
    assert found is not None
    assert torch.equal(found, VALUE)


def test_another_key_has_no_value() -> None:
    save_cached({"set": "a"}, VALUE)
    assert load_cached({"set": "b"}) is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path / "file"))
    save_cached({"set": "a"}, VALUE)
    assert load_cached({"set": "a"}) is None


@pytest.mark.parametrize("place", [0, -1])
def test_a_damaged_file_is_not_used_and_is_replaced(cache: Path, place: int) -> None:
    save_cached({"set": "a"}, VALUE)
    (file,) = cache.iterdir()
    damaged = bytearray(file.read_bytes())
    damaged[place] ^= 0xFF
    file.write_bytes(damaged)
    assert load_cached({"set": "a"}) is None
    save_cached({"set": "a"}, VALUE)
    assert load_cached({"set": "a"}) is not None
