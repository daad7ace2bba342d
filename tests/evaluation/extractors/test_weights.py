"""Weights are found where they are said to be, checked whole, and fetched only when allowed."""

import hashlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from lfsgan_cli.evaluation.extractors.weights import (
    DownloadError,
    MissingWeightsError,
    UnreadableWeightsError,
    Weights,
    WrongWeightsError,
    cached,
    locate,
    read,
)
from lfsgan_cli.io.files import cache_folder

CONTENT = b"weights" * 300_000  # two chunks of a download


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LFSGAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Published at a file:// address."""
    published = tmp_path / "published.pt"
    published.write_bytes(CONTENT)
    return Weights("small.pt", hashlib.sha256(CONTENT).hexdigest(), published.as_uri(), "--small-weights")


def test_without_the_variable_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LFSGAN_CACHE_DIR")
    assert "lfsgan" in cache_folder().parts
    assert Path.home() in cache_folder().parents


def test_a_download_lands_in_the_cache_and_is_not_repeated(weights: Weights, cache: Path) -> None:
    path = locate(weights, offline=False)
    assert path == cache / "small.pt"
    assert read(weights, path) == CONTENT
    gone = replace(weights, url="file:///nowhere.pt")
    assert locate(gone, offline=False) == path
    assert locate(gone, offline=True) == path
    assert [file.name for file in cache.iterdir()] == ["small.pt"]


def test_offline_nothing_is_fetched_and_the_error_names_file_hash_and_way_out(weights: Weights, cache: Path) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        locate(weights, offline=True)
    for part in (str(cache / "small.pt"), weights.sha256, weights.url, "--small-weights"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists()


def test_a_path_that_is_given_wins_over_the_cache(weights: Weights, tmp_path: Path) -> None:
    locate(weights, offline=False)
    assert locate(weights, tmp_path / "mine.pt", offline=False) == tmp_path / "mine.pt"


def test_a_download_of_something_else_leaves_the_cache_empty(weights: Weights, cache: Path) -> None:
    other = replace(weights, sha256="0" * 64)
    with pytest.raises(WrongWeightsError, match=f"expected {'0' * 64}"):
        locate(other, offline=False)
    assert list(cache.iterdir()) == []


def test_a_changed_file_is_not_read(weights: Weights, tmp_path: Path) -> None:
    file = tmp_path / "changed.pt"
    file.write_bytes(CONTENT + b"!")
    with pytest.raises(WrongWeightsError, match=r"changed\.pt.*nothing of it was used.*--small-weights"):
        read(weights, file)


def test_a_missing_file_is_an_error_of_one_line(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(UnreadableWeightsError, match=r"cannot read .*absent\.pt': No such file"):
        read(weights, tmp_path / "absent.pt")


def test_a_server_that_does_not_answer_is_an_error_of_one_line(weights: Weights, cache: Path) -> None:
    with socket.socket() as closed:  # bound, never listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        unreachable = replace(weights, url=f"http://127.0.0.1:{closed.getsockname()[1]}/small.pt")
        with pytest.raises(DownloadError, match=r"cannot fetch http://127.0.0.1:.*--small-weights"):
            locate(unreachable, offline=False)
    assert not cached(weights).exists()


def test_a_cache_that_cannot_be_made_is_an_error_of_one_line(weights: Weights, cache: Path) -> None:
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(DownloadError, match="small"):
        locate(weights, offline=False)
