"""Our safetensors files: canonical, complete, readable by everyone."""

import hashlib
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lfsgan_cli.io.safetensors import TensorDtypeError, TensorFileError, content_hash, read, read_header, write

DTYPES = [
    torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
]  # fmt: skip


def all_kinds() -> dict[str, Tensor]:
    return {str(dtype): torch.arange(3).to(dtype) for dtype in DTYPES}


def awkward() -> dict[str, Tensor]:
    return {
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 3, dtype=torch.bfloat16),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "expanded": torch.ones(1).expand(4),
        "strided": torch.arange(10)[::3],
        "learned": torch.nn.Parameter(torch.ones(2)),
        "näme/with.dots": torch.zeros(1, dtype=torch.uint8),
    }


@pytest.mark.parametrize("tensors", [all_kinds(), awkward(), {}], ids=["all kinds", "awkward", "none"])
def test_the_safetensors_library_reads_what_was_written(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    write(tmp_path / "file", tensors, {"who": "ü\n"})
    loaded = safetensors.torch.load_file(tmp_path / "file")
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(loaded[name], tensor.detach(), rtol=0, atol=0)
    with safetensors.safe_open(tmp_path / "file", "pt") as file:
        assert file.metadata() == {"who": "ü\n"}


def test_what_the_safetensors_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {name: tensor.detach().clone() for name, tensor in {**all_kinds(), **awkward()}.items()}
    safetensors.torch.save_file({name: t.contiguous() for name, t in tensors.items()}, tmp_path / "file", {"a": "b"})
    loaded, metadata = read(tmp_path / "file")
    assert metadata == {"a": "b"}
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    header = read_header(tmp_path / "file")
    assert {name: spec.shape for name, spec in header.tensors.items()} == {
        n: tuple(t.shape) for n, t in tensors.items()
    }
    assert header.parameters == sum(tensor.numel() for tensor in tensors.values())
    assert header.file_bytes == (tmp_path / "file").stat().st_size


@settings(deadline=None, max_examples=20)  # it writes files
@given(st.permutations(sorted(all_kinds())), st.permutations(["a", "b", "c"]))
def test_equal_content_gives_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], keys: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    tensors = all_kinds()
    write(folder / "one", tensors, {"a": "1", "b": "1", "c": "1"})
    write(folder / "two", {name: tensors[name] for name in names}, dict.fromkeys(keys, "1"))
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_the_hash_is_that_of_all_bytes_after_the_header(tmp_path: Path) -> None:
    tensors = {**all_kinds(), **awkward()}
    write(tmp_path / "file", tensors, {"a": "b"})
    content = (tmp_path / "file").read_bytes()
    data = content[8 + int.from_bytes(content[:8], "little") :]
    assert content_hash(tensors) == "0x" + hashlib.sha256(data).hexdigest()


def test_a_type_that_is_not_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(TensorDtypeError, match="'wave' has the dtype complex64"):
        write(tmp_path / "file", {"wave": torch.zeros(1, dtype=torch.complex64)}, {})
    assert list(tmp_path.iterdir()) == []


def test_reading_a_missing_or_cut_file_is_one_line(tmp_path: Path) -> None:
    write(tmp_path / "file", all_kinds(), {})
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:-1])
    for name in ("none", "file"):
        with pytest.raises(TensorFileError, match=name):
            read(tmp_path / name)
