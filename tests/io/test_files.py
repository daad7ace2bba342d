"""Files are written whole or not at all."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lfsgan_cli.io.files import MAX_NAME, FileWriteError, TaskNameError, check_name, partials, write_atomic


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_what_a_killed_write_leaves_is_known_and_nothing_else_is_taken_for_it(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from lfsgan_cli.io.files import write_atomic
def killed():
    yield b"half"
    os.kill(os.getpid(), signal.SIGKILL)
write_atomic(Path(sys.argv[1]) / "file", killed())
"""
    for name in ("notes.partial", ".notes.partial", ".0123456789abcdef.partial.png"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    subprocess.run([sys.executable, "-c", program, tmp_path / "below"], check=False)
    [left] = partials(tmp_path)
    assert left.parent == tmp_path / "below"
    assert list((tmp_path / "below").iterdir()) == [left]


def test_one_piece_and_many_give_the_same_file(tmp_path: Path) -> None:
    write_atomic(tmp_path / "one", b"abcd")
    write_atomic(tmp_path / "many", (chunk for chunk in (b"ab", b"cd")))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes() == b"abcd"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many", "one"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    write_atomic(tmp_path / "file", b"old")
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", interrupted())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def test_the_new_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    write_atomic(tmp_path / "ours", b"")
    (tmp_path / "any").touch()
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "any").stat().st_mode)


def test_a_folder_that_cannot_hold_the_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileWriteError, match="file/inside'"):
        write_atomic(tmp_path / "file" / "inside", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileWriteError, match="folder'"):
        write_atomic(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileWriteError, match="Permission denied"):
        write_atomic(tmp_path / "file", b"")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_file_that_outgrows_its_space_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from lfsgan_cli.io.files import FileWriteError, write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(Path(sys.argv[1]) / "file", [b"x" * 600, b"x" * 600])
except FileWriteError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert "File too large" in run.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", [*("cats", "Cats-2", "0", "a.b_c", "x" * MAX_NAME, "console"), *("my cats", "ä", "Кот 1", "猫", "a+b (2)")]
)
def test_names_that_every_file_system_holds(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "a\\b", "-cats", ".cats", " cats", "cats ", "cats\n", "x" * (MAX_NAME + 1)),
        *("a=b", "a,b", "a:b", "a*b", "a\u202eb", "猫" * 70),
        *("con", "NUL.txt", "com1", "cats."),
    ],
)
def test_other_names_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(TaskNameError) as error:
        check_name(name)
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)
