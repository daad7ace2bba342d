"""What reading a file would cost is known before it is read."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lfsgan_cli.checkpoints.checkpoint import CheckpointError
from lfsgan_cli.checkpoints.torch_file import MOST_TUPLES, ForeignGlobalError, UnreadableError, check_distinct, load

ZIP, LEGACY = True, False
FORMATS = pytest.mark.parametrize("zipped", [ZIP, LEGACY], ids=["zip", "legacy"])
MANY = b"\x80\x02]" + b"]a" * 10**5 + b"."  # a list of empty lists
DEEP = b"\x80\x02})" + b"\x85" * (4 * MOST_TUPLES) + b"K\x01s."


class Makes:
    """Is unpickled as what a function makes of arguments."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


def saved(path: Path, document: Any, *, zipped: bool) -> Path:
    torch.save(document, path, _use_new_zipfile_serialization=zipped)
    return path


def replaced(path: Path, pickled: bytes, **how: Any) -> Path:
    """The same zip with another pickle in it."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in records.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    return path


@FORMATS
@pytest.mark.parametrize(
    ("bomb", "named"),
    [
        (Makes(bytearray, 10**15), "builtins.bytearray"),
        (Makes(torch.FloatTensor, 10**15), "torch.FloatTensor"),
        (Makes(torch._utils._rebuild_meta_tensor_no_storage, torch.float32, (2**40,), (1,), 0), "_rebuild_meta"),
    ],
    ids=["zeros", "a tensor", "a tensor without numbers"],
)
def test_what_makes_memory_of_a_few_bytes_is_refused_by_name(
    tmp_path: Path, bomb: Makes, named: str, *, zipped: bool
) -> None:
    with pytest.raises(ForeignGlobalError, match=named):
        load(saved(tmp_path / "x", {"g_ema": bomb}, zipped=zipped))


def test_a_pickle_that_is_compressed_is_refused(tmp_path: Path) -> None:
    path = replaced(saved(tmp_path / "x", {}, zipped=ZIP), MANY)
    assert len(load(path)) == 10**5
    with pytest.raises(UnreadableError):
        load(replaced(path, MANY, compression=zipfile.ZIP_DEFLATED))


def test_names_as_deep_as_no_stack_are_refused_and_the_process_lives(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        load(replaced(saved(tmp_path / "x", {}, zipped=ZIP), DEEP))
    legacy = io.BytesIO()
    torch.save({}, legacy, _use_new_zipfile_serialization=LEGACY)
    (tmp_path / "y").write_bytes(legacy.getvalue().replace(pickle.dumps({}, 2), DEEP))
    with pytest.raises(UnreadableError):
        load(tmp_path / "y")


def test_a_storage_that_is_larger_than_the_file_is_refused_before_it_is_made(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", {"a": torch.zeros(1000)}, zipped=LEGACY)
    claimed = path.read_bytes().replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f", 1)  # 1,000 as two bytes, 2^31 - 1 as four
    path.write_bytes(claimed)
    with pytest.raises(UnreadableError):
        load(path)


@pytest.mark.parametrize("change", ["another name", "a comment", "bytes in front"])
def test_a_zip_that_two_readers_could_understand_differently_is_refused(tmp_path: Path, change: str) -> None:
    path = saved(tmp_path / "x.pt", {}, zipped=ZIP)
    with zipfile.ZipFile(path, "a") as archive:
        if change == "another name":
            archive.writestr("X/DATA.PKL", archive.read("x/data.pkl"))
        if change == "a comment":
            archive.comment = b"PK\x05\x06 and more"
    if change == "bytes in front":
        path.write_bytes(b"PK\x03\x04 and more" + path.read_bytes())
    with pytest.raises(UnreadableError):
        load(path)


def test_tensors_that_share_their_numbers_are_refused_where_they_are_larger_than_the_file(tmp_path: Path) -> None:
    tensor = torch.zeros(10_000)
    for count, fits in {1: True, 5: False}.items():
        document = load(saved(tmp_path / "x", {str(index): tensor for index in range(count)}, zipped=ZIP))
        if fits:
            check_distinct(tmp_path / "x", document.values())
        else:
            with pytest.raises(CheckpointError, match="more numbers than its"):
                check_distinct(tmp_path / "x", document.values())
