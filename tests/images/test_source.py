import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lfsgan_cli.errors import LfsganError
from lfsgan_cli.generation.output import encode
from lfsgan_cli.images import formats
from lfsgan_cli.images.formats import GRID, NOTE, THUMBNAIL, BadImageError, UnusableFile
from lfsgan_cli.images.listing import skipped_text
from lfsgan_cli.images.source import (
    BrokenZipError,
    NoImagesError,
    NotASourceError,
    SourceNotFoundError,
    UnreadableSourceError,
    open_source,
    open_sources,
)

Make = Callable[..., Path]

PIXELS = np.zeros((4, 4, 3), np.uint8)


def png() -> bytes:
    return encode(PIXELS, {})


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
    def test_images_are_found_at_every_depth_in_order_of_their_names(self, make: Make, tmp_path: Path) -> None:
        found = open_source(make(tmp_path / "set.zip", "b.png", "a/z.jpg", "a.png", "B.png", "a/b/c.gif")).names
        assert found == ("B.png", "a.png", "a/b/c.gif", "a/z.jpg", "b.png")

    def test_every_suffix_counts_in_any_case(self, make: Make, tmp_path: Path) -> None:
        names = ("1.png", "2.JPG", "3.Jpeg", "4.webp", "5.GIF", "6.bmp", "7.tif", "8.TIFF", "9.jfif", "9a.JPE")
        assert open_source(make(tmp_path / "set.zip", *names)).names == names

    def test_clutter_is_left_out(self, make: Make, tmp_path: Path) -> None:
        assert open_source(make(tmp_path / "set.zip", "a.png", *CLUTTER)).names == ("a.png",)

    def test_each_name_goes_with_its_own_bytes(self, make: Make, tmp_path: Path) -> None:
        source = open_source(make(tmp_path / "set.zip", "b.png", "a/z.jpg", *CLUTTER))
        assert {name: source.read(index).decode() for index, name in enumerate(source.names)} == {
            "a/z.jpg": "a/z.jpg",
            "b.png": "b.png",
        }

    def test_no_image_says_what_was_looked_for_and_skipped(self, make: Make, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError, match=r"\.png \.jpg .*\.tiff.*; skipped 3: .*notes\.txt \(not an image\)"):
            open_source(make(tmp_path / "set.zip", *CLUTTER))

    def test_files_of_other_kinds_are_skipped_by_name_with_the_reason(self, make: Make, tmp_path: Path) -> None:
        source = open_source(make(tmp_path / "set.zip", "a.png", "b.HEIC", "c.psd", "list.csv"))
        assert source.names == ("a.png",)
        assert [str(file) for file in source.skipped] == [
            "b.HEIC: not supported; save it as PNG or JPEG",
            "c.psd: not supported; save it as PNG or JPEG",
            "list.csv: not an image",
        ]

    def test_what_systems_leave_behind_is_not_worth_a_word(self, make: Make, tmp_path: Path) -> None:
        litter = (".DS_Store", "sub/Thumbs.db", "desktop.ini", "__MACOSX/._a.png", ".git/config", ".hidden.png")
        source = open_source(make(tmp_path / "set.zip", "a.png", *litter))
        assert (source.names, source.skipped) == (("a.png",), ())

    def test_an_absurdly_large_file_is_refused_before_it_is_read(
        self, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = open_source(make(tmp_path / "set.zip", "long-name.png"))
        monkeypatch.setattr(formats, "MAX_FILE_BYTES", 5)
        with pytest.raises(BadImageError, match="13 bytes, more than the 5"):
            source.read(0)


def test_a_link_within_the_folder_is_an_image_and_one_that_leads_out_is_not(tmp_path: Path) -> None:
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
def test_a_pipe_named_like_an_image_is_no_image(tmp_path: Path) -> None:
    folder_with(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert open_source(tmp_path).names == ("a.png",)


def test_a_file_that_vanishes_after_it_was_listed_is_a_bad_image(tmp_path: Path) -> None:
    source = open_source(folder_with(tmp_path, "a.png"))
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadImageError, match="No such file"):
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
    with pytest.raises(SourceNotFoundError, match="few_shots"):
        open_source(tmp_path / "few_shots")


def test_an_image_given_itself_is_a_source_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(png())
    for path in (folder_with(tmp_path, "a.png") / "a.png", tmp_path / "a"):
        source = open_source(path)
        assert source.names == (path.name,)
        assert source.read(0) == path.read_bytes()


def test_a_file_of_another_kind_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(NotASourceError, match="neither a folder nor a zip file nor an image"):
        open_source(folder_with(tmp_path, "a.txt") / "a.txt")


def test_several_sources_are_one_in_their_order(tmp_path: Path) -> None:
    paths = [folder_with(tmp_path / "b", "2.png", "1.png"), folder_with(tmp_path, "a.png") / "a.png",
             zip_with(tmp_path / "c.zip", "1.png", "x.txt")]  # fmt: skip
    source = open_sources(paths)
    assert [name.removeprefix(tmp_path.as_posix()) for name in source.names] == [
        "/b/1.png", "/b/2.png", "/a.png", "/c.zip/1.png",
    ]  # fmt: skip
    assert [source.read(index).decode() for index in range(4)] == ["1.png", "2.png", "a.png", "1.png"]
    assert [file.name for file in source.skipped] == ["x.txt"]


class TestSkippedImages:
    def test_a_hidden_image_is_told(self, tmp_path: Path) -> None:
        (folder_with(tmp_path, "a.png") / ".b.png").write_bytes(png())
        assert list(map(str, open_source(tmp_path).skipped)) == [".b.png: a hidden file"]

    def test_an_image_without_the_ending_says_which_it_needs(self, tmp_path: Path) -> None:
        (folder_with(tmp_path, "a.png") / "b").write_bytes(png())
        (tmp_path / "c.png?width=300").write_bytes(png())
        (tmp_path / "d").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(30))
        assert list(map(str, open_source(tmp_path).skipped)) == [
            "b: PNG without that ending; rename it",
            "c.png?width=300: PNG without that ending; rename it",
            "d: not supported; save it as PNG or JPEG",
        ]

    def test_links_that_are_not_followed_say_why(self, tmp_path: Path) -> None:
        outside = folder_with(tmp_path / "outside", "secret.png")
        inside = folder_with(tmp_path / "inside", "a.png", "sub/b.png")
        (inside / "leaves.png").symlink_to(outside / "secret.png")
        (inside / "leaves").symlink_to(outside, target_is_directory=True)
        (inside / "twice").symlink_to(inside / "sub", target_is_directory=True)
        (inside / "dangling.png").symlink_to(inside / "gone.png")
        source = open_source(inside)
        assert source.names == ("a.png", "sub/b.png")
        assert {file.name: file.reason for file in source.skipped} == {
            "dangling.png": "a link to nothing",
            "leaves.png": "a link that leads out of the folder; copy it here",
            "leaves": "a link that leads out of the folder; copy it here",
            "twice": "a link to a folder, which is not followed",
        }

    def test_a_zip_of_windows_has_folders(self, tmp_path: Path) -> None:
        names = ["cats\\a.png", "cats\\.b.png", "__MACOSX\\cats\\._a.png", "..\\c.png", "C:\\d.png", "empty\\"]
        source = open_source(zip_with(tmp_path / "set.zip", *names))
        assert source.names == ("cats/a.png",)
        assert source.read(0) == names[0].encode()
        assert list(map(str, source.skipped)) == [
            "../c.png: its name leads out of the zip file", "C:/d.png: its name leads out of the zip file",
        ]  # fmt: skip

    def test_a_long_list_is_cut_after_three_names(self, tmp_path: Path) -> None:
        skipped = open_source(folder_with(tmp_path, "a.png", *(f"{n}.txt" for n in range(5)))).skipped
        assert skipped_text(skipped) == (
            "skipped 5: 0.txt (not an image), 1.txt (not an image), 2.txt (not an image) and 2 more"
        )


class TestImagesOfOurOwn:
    def make(self, root: Path) -> Path:
        """Two images of others beside a sample, a grid, and a thumbnail of ours, and a workspace."""
        for place in ("a.png", "sub/b.png", "ws/base.safetensors", "ws/mine.png", "ws/tasks/cats/few_shots/0.png"):
            folder_with(root, place)
        (root / "a.png").write_bytes(png())
        (root / "seed0000.png").write_bytes(encode(PIXELS, {NOTE: "{}"}))
        (root / "seed0001.png").write_bytes(encode(PIXELS, {NOTE: "x" * 10_000}))
        (root / "grid.png").write_bytes(encode(PIXELS, {NOTE: "{}"}, GRID))
        (root / "thumb.png").write_bytes(encode(PIXELS, {}, THUMBNAIL))
        return root

    def test_they_are_left_out_of_folders_and_counted(self, tmp_path: Path) -> None:
        source = open_source(self.make(tmp_path))
        assert (source.names, source.skipped, source.left_out) == (("a.png", "sub/b.png"), (), 6)

    def test_they_are_left_out_of_zips_and_counted(self, tmp_path: Path) -> None:
        root = self.make(tmp_path / "set")
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
            for path in root.rglob("*"):
                file.write(path, path.relative_to(root))
        source = open_source(tmp_path / "set.zip")
        assert (source.names, source.skipped, source.left_out) == (("a.png", "sub/b.png"), (), 6)

    def test_generated_images_are_samples_without_grids_and_thumbnails(self, tmp_path: Path) -> None:
        source = open_source(self.make(tmp_path), "generated")
        assert source.names == ("a.png", "seed0000.png", "seed0001.png", "sub/b.png")

    def test_a_folder_with_nothing_else_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError, match="left out 1 that lfsgan wrote or that is in a workspace"):
            open_source(self.make(tmp_path) / "ws" / "tasks")

    def test_a_workspace_around_the_images_does_not_matter(self, tmp_path: Path) -> None:
        assert open_source(folder_with(self.make(tmp_path) / "ws" / "photos", "c.png")).names == ("c.png",)

    def test_an_image_given_itself_is_used(self, tmp_path: Path) -> None:
        root = self.make(tmp_path)
        assert open_source(root / "seed0000.png").names == ("seed0000.png",)
        assert open_source(root / "ws/tasks/cats/few_shots/0.png").names == ("0.png",)

    def test_the_programs_own_copies_are_all_read(self, tmp_path: Path) -> None:
        assert open_source(self.make(tmp_path) / "ws/tasks/cats/few_shots", "own").names == ("0.png",)


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


def test_damage_inside_a_zip_is_found_when_the_image_is_read(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", b"x" * 100)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"x" * 100, b"x" * 99 + b"y"))
    with pytest.raises(BadImageError, match="damaged inside the zip"):
        open_source(path).read(0)


def test_a_locked_zip_entry_says_so(tmp_path: Path) -> None:
    data = bytearray(zip_with(tmp_path / "set.zip", "a.png").read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1  # APPNOTE 4.3.12: the flags lie 8 bytes into a directory entry, bit 0 means encrypted
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(BadImageError, match="password"):
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
    for make in (SourceNotFoundError, NotASourceError, BrokenZipError):
        error: LfsganError = make(tmp_path / name)
        assert str(error).isprintable()
    skipped = [UnusableFile(name, "not an image")]
    assert str(NoImagesError(tmp_path / name, skipped, 0)).isprintable()


def test_an_empty_zip_holds_no_image(tmp_path: Path) -> None:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    (tmp_path / "set.zip").write_bytes(file.getvalue())
    with pytest.raises(NoImagesError):
        open_source(tmp_path / "set.zip")


def test_a_small_image_takes_no_more_memory_than_it_has_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * 1000)
    source = open_source(tmp_path)
    tracemalloc.start()
    try:
        assert source.read(0) == b"x" * 1000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # bytes; the names and the file object
    finally:
        tracemalloc.stop()
