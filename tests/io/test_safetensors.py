"""The header reader believes nothing, and needs no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfsgan_cli.io.safetensors import MAX_HEADER_BYTES, TensorFileError, encode, layout, read_header

PAIR = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def raw(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def entry(**change: Any) -> bytes:
    return raw(json.dumps({"a": {**PAIR["a"], **change}}).encode(), bytes(24))


def test_a_header_is_read_without_torch_or_numpy(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(entry())
    program = (
        "import sys, pathlib; from lfsgan_cli.io.safetensors import read_header;"
        "print(read_header(pathlib.Path(sys.argv[1])).parameters,"
        "{'torch', 'numpy', 'safetensors'} & sys.modules.keys())"
    )
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert run.stdout == "6 set()\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too few"),
        (b"1234567", "too few"),
        (b"\x80\x02}q\x00X\x0b\x00state", "another kind of file"),
        (b"PK\x03\x04\x00\x00\x00\x00" * 4, "another kind of file"),
        (raw(b"[]" + b" " * 6), "another kind of file"),
        (entry()[:-1], "cut short"),
        (entry()[:40], "cut short"),
        (entry() + b"\0", "belong to no tensor"),
        (raw(b'{"a":'), "not JSON"),
        (raw(b"{\xff}"), "not JSON"),
        (raw(b'{"a":' * 100_000), "not JSON"),
        (raw(b'{"__metadata__":{},"__metadata__":{}}'), "twice"),
        (raw(b'{"__metadata__":{"a":1}}'), "not a map of strings"),
        (raw(b'{"__metadata__":[]}'), "not a map of strings"),
        (entry(extra=1), "not described"),
        (entry(data_offsets=[0, 24, 48]), "not described"),
        (entry(dtype="F31"), "'F31'"),
        (entry(dtype=["F32"]), "not described"),
        (entry(shape=[2, -3]), "natural numbers"),
        (entry(shape=[True, 6]), "natural numbers"),
        (entry(shape=[2.0, 3.0]), "natural numbers"),
        (entry(shape=[2**63, 0]), "more than 63 bits"),
        (entry(shape=[2**62, 2**62, 0]), "more axes or numbers"),
        (entry(shape=[1] * 16 + [6]), "more axes or numbers"),
        (raw(b'{"a":NaN}'), "not JSON"),
        (raw(b'{"\\ud800":{}}'), "not JSON"),
        (raw(b'{"' + b"x" * 5000 + b'":{}}'), "not described"),
        (entry(shape=[2, 4]), "does not fill"),
        (entry(data_offsets=[24, 0]), "does not fill"),
        (entry(data_offsets=[4, 28]), "a gap"),
    ],
)
def test_a_foreign_or_broken_file_is_one_line_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "cats.safetensors"
    path.write_bytes(content)
    with pytest.raises(TensorFileError, match=r"cats\.safetensors'") as error:
        read_header(path)
    assert reason in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_a_header_that_claims_terabytes_is_refused_before_room_is_made_for_it(tmp_path: Path) -> None:
    for claimed in (2**40, 2**63, 2**64 - 1, MAX_HEADER_BYTES + 1):
        (tmp_path / "file").write_bytes(claimed.to_bytes(8, "little") + b"{}")
        with pytest.raises(TensorFileError, match="another kind of file"):
            read_header(tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_what_it_brings(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cats.safetensors")
    with pytest.raises(TensorFileError, match="a pipe or a device"):
        read_header(tmp_path / "cats.safetensors")


def test_tensors_that_overlap_are_refused(tmp_path: Path) -> None:
    both = {"a": PAIR["a"], "b": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}}
    (tmp_path / "file").write_bytes(raw(json.dumps(both).encode(), bytes(24)))
    with pytest.raises(TensorFileError, match="overlaps another"):
        read_header(tmp_path / "file")


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(TensorFileError, match="there is no such file"):
        read_header(tmp_path / "none")
    with pytest.raises(TensorFileError, match=r"Is a directory|Permission denied"):
        read_header(tmp_path)


@settings(deadline=None)  # it writes files
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(raw(b"{" + content))
    try:
        read_header(path)
    except TensorFileError as error:
        assert "\n" not in str(error)  # noqa: PT017  (either ending is right)


def test_the_order_in_which_things_are_named_does_not_show() -> None:
    there = layout({"b": ("U8", (3,)), "a": ("U8", (1,)), "z": ("F32", (2,))})
    back = layout({"z": ("F32", (2,)), "a": ("U8", (1,)), "b": ("U8", (3,))})
    assert encode({"x": "1", "y": "2"}, there) == encode({"y": "2", "x": "1"}, back)
    assert list(there) == ["z", "a", "b"]


def test_the_data_begins_at_a_multiple_of_eight() -> None:
    assert {len(encode({"key": "x" * length}, {})) % 8 for length in range(8)} == {0}
