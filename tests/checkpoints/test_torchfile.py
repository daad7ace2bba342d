"""Torch files give plain values, whatever their format, and whatever else they ask for is refused and not run."""

import argparse
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.checkpoints.torch_file import ForeignGlobalError, UnreadableError, is_plain, is_torch, load

Kind = dict[str, Any]

ZIP: Kind = {}
LEGACY: Kind = {"_use_new_zipfile_serialization": False}
FORMATS = pytest.mark.parametrize("kind", [ZIP, LEGACY], ids=["zip", "legacy"])


class Attack:
    """What a pickle can make of itself: a command that leaves a marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.marker}'",)


def saved(path: Path, document: Any, kind: Kind) -> Path:
    torch.save(document, path, **kind)
    return path


@FORMATS
def test_tensors_and_the_arguments_of_a_training_script_are_read(tmp_path: Path, kind: Kind) -> None:
    document = {"g": {"a": torch.arange(3.0)}, "args": argparse.Namespace(size=256), "p": 0.5}
    again = load(saved(tmp_path / "x", document, kind))
    assert torch.equal(again["g"]["a"], document["g"]["a"])  # type: ignore[index]
    assert (again["args"].size, again["p"]) == (256, 0.5)


@FORMATS
def test_a_file_that_asks_for_a_command_is_refused_by_name_and_does_not_get_it(tmp_path: Path, kind: Kind) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(ForeignGlobalError, match=r"it asks for os\.system.*nothing was executed"):
        load(saved(tmp_path / "x", {"g": {"a": torch.ones(1)}, "b": Attack(marker)}, kind))
    assert not marker.exists()


def test_a_whole_network_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    with pytest.raises(ForeignGlobalError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load(saved(tmp_path / "x", torch.nn.Linear(2, 2), ZIP))


@FORMATS
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_short_is_refused_in_one_line(tmp_path: Path, kind: Kind, share: float) -> None:
    whole = saved(tmp_path / "x", {"a": torch.randn(1000)}, kind).read_bytes()
    (tmp_path / "x").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableError) as caught:
        load(tmp_path / "x")
    assert isinstance(caught.value, CheckpointError)
    assert "\n" not in str(caught.value)


@FORMATS
def test_both_formats_are_known_by_their_first_bytes(tmp_path: Path, kind: Kind) -> None:
    assert is_torch(saved(tmp_path / "x", {}, kind).read_bytes()[:64])


def test_other_files_are_not_taken_for_torch_files() -> None:
    assert not any(is_torch(head) for head in (b"", b"\x80\x04\x95", b"\x89PNG\r\n\x1a\n", b"# lfsgan"))


def test_a_tensor_that_claims_more_numbers_than_its_file_holds_is_known() -> None:
    assert is_plain(torch.ones(3))
    assert not is_plain(torch.ones(1).expand(10**12))
    assert not is_plain(torch.ones(3, dtype=torch.int64))
    assert not is_plain(torch.empty(3, device="meta"))
