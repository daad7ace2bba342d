"""Nothing but plain files is ever opened, and none is read beyond what was asked for."""

import os
from pathlib import Path

import pytest

from lfsgan_cli.io.files import open_plain, read_plain


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, and 4 are the most here"):
        read_plain(tmp_path / "file", 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once_and_so_is_a_link_to_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="a pipe or a device"):
            open_plain(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
def test_a_device_is_refused() -> None:
    with pytest.raises(OSError, match="a pipe or a device"):
        read_plain(Path("/dev/zero"), 5)


def test_a_folder_and_a_missing_file_are_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_plain(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none")
