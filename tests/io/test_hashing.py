"""A file's hashes are found without torch, and are those that the file was written with."""

import hashlib
from pathlib import Path

import pytest
import torch

from lfsgan_cli.io import safetensors
from lfsgan_cli.io.safetensors import Header, TensorFileError, data_hash, file_hash, read_header


def test_the_hash_of_the_bytes_is_that_of_the_tensors(tmp_path: Path) -> None:
    tensors = {"wide": torch.arange(5.0), "half": torch.ones(3, 1).half(), "empty": torch.ones(0, 7)}
    safetensors.write(tmp_path / "file", tensors, {"a": "b"})
    assert data_hash(tmp_path / "file", read_header(tmp_path / "file")) == safetensors.content_hash(tensors)


def test_a_file_without_tensors_has_the_hash_of_nothing(tmp_path: Path) -> None:
    safetensors.write(tmp_path / "file", {}, {"a": "b"})
    assert data_hash(tmp_path / "file", read_header(tmp_path / "file")) == f"0x{hashlib.sha256().hexdigest()}"


def test_a_file_that_has_gone_since_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match="No such file"):
        data_hash(tmp_path / "gone", Header())


def test_the_hash_of_a_file_is_that_of_all_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert file_hash(tmp_path / "file") == known
