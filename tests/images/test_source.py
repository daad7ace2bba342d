import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.images import formats
from lfsgan_cli.images.formats import (
    BadPictureError,
    BrokenZipError,
    NoPicturesError,
    NotASourceError,
    PicturesNotFoundError,
    UnreadableSourceError,
)
from lfsgan_cli.images.source import open_source

Make = Callable[..., Path]

CLUTTER = (
    "__MACOSX/._a.png",
    "__MACOSX/sub/b.png",
    ".hidden.png",
    ".thumbnails/a.png",
    "notes.txt",
    "README",
    "png",
)


def folder_with(path: Path, *names: str) -> Path:
    """A folder whose files hold their own names."""
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return path


def zip_with(path: Path, *names: str) -> Path:
    """A zip whose files hold their own names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, name)
    return path


@pytest.mark.parametrize("make", [folder_with, zip_with])
class TestFoldersAndZipsAlike:
    def test_pictures_are_found_at_every_depth_in_order_of_their_names(self, make: Make, tmp_path: Path) -> None:
        found = open_source(make(tmp_path / "set.zip", "b.png", "a/z.jpg", "a.png", "B.png", "a/b/c.gif")).names
        assert found == ("B.png", "a.png", "a/b/c.gif", "a/z.jpg", "b.png")

    def test_every_suffix_counts_in_any_case(self, make: Make, tmp_path: Path) -> None:
        names = ("1.png", "2.JPG", "3.Jpeg", "4.webp", "5.GIF", "6.bmp", "7.tif", "8.TIFF")
        assert open_source(make(tmp_path / "set.zip", *names)).names == names

    def test_clutter_is_left_out(self, make: Make, tmp_path: Path) -> None:
        assert open_source(make(tmp_path / "set.zip", "a.png", *CLUTTER)).names == ("a.png",)

    def test_each_name_goes_with_its_own_bytes(self, make: Make, tmp_path: Path) -> None:
        source = open_source(make(tmp_path / "set.zip", "b.png", "a/z.jpg", *CLUTTER))
        assert {name: source.read(index).decode() for index, name in enumerate(source.names)} == {
            "a/z.jpg": "a/z.jpg",
            "b.png": "b.png",
        }

    def test_no_picture_says_what_was_looked_for(self, make: Make, tmp_path: Path) -> None:
        with pytest.raises(NoPicturesError, match=r"\.png \.jpg \.jpeg \.webp \.gif \.bmp \.tif \.tiff"):
            open_source(make(tmp_path / "set.zip", *CLUTTER))

    def test_an_absurdly_large_file_is_refused_before_it_is_read(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = open_source(make(tmp_path / "set.zip", "long-name.png"))
        monkeypatch.setattr(formats, "MAX_FILE_BYTES", 5)
        with pytest.raises(BadPictureError, match="13 bytes, more than the 5"):
            source.read(0)


def test_a_link_within_the_folder_is_a_picture_and_one_that_leads_out_is_not(tmp_path: Path) -> None:
    outside = folder_with(tmp_path / "outside", "secret.png", "deep/secret.png")
    inside = folder_with(tmp_path / "inside", "a.png")
    (inside / "linked.png").symlink_to(inside / "a.png")
    (inside / "leaves.png").symlink_to(outside / "secret.png")
    (inside / "leaves").symlink_to(outside, target_is_directory=True)
    (inside / "dangling.png").symlink_to(inside / "gone.png")
    assert open_source(inside).names == ("a.png", "linked.png")


def test_a_link_to_the_folder_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder_with(tmp_path / "real", "a.png"), target_is_directory=True)
    assert open_source(tmp_path / "link").read(0) == b"a.png"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_named_like_a_picture_is_no_picture(tmp_path: Path) -> None:
    folder_with(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert open_source(tmp_path).names == ("a.png",)


def test_a_file_that_vanishes_after_it_was_listed_is_a_bad_picture(tmp_path: Path) -> None:
    source = open_source(folder_with(tmp_path, "a.png"))
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadPictureError, match="No such file"):
        source.read(0)


def test_many_threads_read_one_zip(tmp_path: Path) -> None:
    names = [f"{index:03}.png" for index in range(200)]
    source = open_source(zip_with(tmp_path / "set.zip", *names))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.read, range(200))) == [name.encode() for name in names]


def test_a_zip_is_known_by_its_content(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "set.zip", "a.png").rename(tmp_path / "set.data")
    assert open_source(path).names == ("a.png",)


def test_nothing_at_the_path(tmp_path: Path) -> None:
    with pytest.raises(PicturesNotFoundError, match="few_shots"):
        open_source(tmp_path / "few_shots")


def test_a_single_picture_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(NotASourceError, match=r"neither a folder nor a zip file"):
        open_source(folder_with(tmp_path, "a.png") / "a.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is readable here")
def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path) -> None:
    locked = folder_with(tmp_path, "a.png", "locked/b.png") / "locked"
    locked.chmod(0)
    try:
        with pytest.raises(UnreadableSourceError, match=r"locked.*Permission denied"):
            open_source(tmp_path)
    finally:
        locked.chmod(0o700)


def test_a_zip_that_was_cut_off_is_told_from_another_kind_of_file(tmp_path: Path) -> None:
    whole = zip_with(tmp_path / "set.zip", "a.png", "b.png").read_bytes()
    for name in ("cut.zip", "cut.download"):
        (tmp_path / name).write_bytes(whole[:-30])
        with pytest.raises(BrokenZipError, match="cut off"):
            open_source(tmp_path / name)


def test_text_renamed_to_zip_is_a_broken_zip(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_text("not a zip")
    with pytest.raises(BrokenZipError):
        open_source(tmp_path / "set.zip")


def test_damage_inside_a_zip_is_found_when_the_picture_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", b"x" * 100)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"x" * 100, b"x" * 99 + b"y"))
    with pytest.raises(BadPictureError, match="damaged inside the zip"):
        open_source(path).read(0)


def test_a_locked_zip_entry_says_so(tmp_path: Path) -> None:
    data = bytearray(zip_with(tmp_path / "set.zip", "a.png").read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1  # APPNOTE 4.3.12: the flags lie 8 bytes into a directory entry, bit 0 means encrypted
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(BadPictureError, match="password"):
        open_source(tmp_path / "set.zip").read(0)


def test_of_two_entries_with_one_name_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", "old")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a.png", "new")
    source = open_source(path)
    assert (source.names, source.read(0)) == (("a.png",), b"new")


def test_errors_never_carry_raw_control_characters(tmp_path: Path) -> None:
    name = "evil\x1b[31m\r\n\u202e"
    for make in (PicturesNotFoundError, NotASourceError, NoPicturesError, BrokenZipError):
        error: LfsganError = make(tmp_path / name)
        assert str(error).isprintable()


def test_an_empty_zip_holds_no_picture(tmp_path: Path) -> None:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    (tmp_path / "set.zip").write_bytes(file.getvalue())
    with pytest.raises(NoPicturesError):
        open_source(tmp_path / "set.zip")


def test_a_small_picture_takes_no_more_memory_than_it_has_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * 1000)
    source = open_source(tmp_path)
    tracemalloc.start()
    try:
        assert source.read(0) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes; the names and the file object
    finally:
        tracemalloc.stop()
