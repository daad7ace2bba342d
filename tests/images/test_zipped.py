"""A zip that is made to do harm is refused before anything of it is unpacked."""

import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from lfsgan_cli.images import source
from lfsgan_cli.images.formats import BadImageError
from lfsgan_cli.images.source import BrokenZipError, HarmfulZipError, NoImagesError, open_source

LIST_ENTRY = b"PK\x01\x02"  # APPNOTE 4.3.12; behind it, 20 and 24 bytes on, how large an entry is and would be
SIZES = 20


def bomb(path: Path, name: str = "a.png", megabytes: int = 129) -> Path:
    """Zeros, which take a thousandth of themselves."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open(name, "w") as entry:
        for _ in range(megabytes):
            entry.write(bytes(1 << 20))
    return path


def claiming(path: Path, **sizes: int) -> Path:
    """The same zip, its list of entries claiming other sizes for the first one."""
    data = bytearray(path.read_bytes())
    place = data.index(LIST_ENTRY) + SIZES
    compressed, unpacked = struct.unpack_from("<II", data, place)
    struct.pack_into("<II", data, place, sizes.get("compressed", compressed), sizes.get("unpacked", unpacked))
    path.write_bytes(data)
    return path


def test_an_entry_that_would_unpack_to_more_than_any_image_is_refused_unread(tmp_path: Path) -> None:
    source = open_source(bomb(tmp_path / "bomb.zip"))
    with pytest.raises(BadImageError, match="would unpack to 135,266,304 bytes"):
        source.read(0)


def test_what_is_unpacked_ends_where_the_list_says(tmp_path: Path) -> None:
    source = open_source(claiming(bomb(tmp_path / "bomb.zip"), unpacked=1000))
    with pytest.raises(BadImageError, match="damaged inside the zip file"):
        source.read(0)


def test_many_entries_that_unpack_to_terabytes_together_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_TOTAL_BYTES", 1 << 27)
    with pytest.raises(HarmfulZipError, match="it would unpack to 135,266,304 bytes"):
        open_source(bomb(tmp_path / "bomb.zip"))


def test_entries_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("a.png", "b.png"):
            file.writestr(name, bytes(1000))
    with pytest.raises(HarmfulZipError, match="its entries overlap"):
        open_source(claiming(path, compressed=2000))


def test_a_list_of_entries_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for index in range(100):
            file.writestr(f"{index}.png", b"")
    assert len(open_source(tmp_path / "set.zip").names) == 100
    monkeypatch.setattr(source, "MAX_LIST_BYTES", 1000)
    with pytest.raises(BrokenZipError):
        open_source(tmp_path / "set.zip")


def test_an_entry_larger_than_the_list_may_be_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_LIST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("a.png", os.urandom(5000))
    assert len(open_source(tmp_path / "set.zip").read(0)) == 5000


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png"])
def test_names_that_lead_out_are_no_images(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr(name, b"x")
    with pytest.raises(NoImagesError, match="its name leads out of the zip file"):
        open_source(tmp_path / "set.zip")


def test_a_link_in_a_zip_is_no_image(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.writestr("a.png", b"x")
        file.writestr(link, "/etc/passwd")
    assert open_source(tmp_path / "set.zip").names == ("a.png",)


def test_a_compression_that_asks_for_any_amount_of_memory_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.png", b"x")
    with pytest.raises(BadImageError, match="not read here; deflate is"):
        open_source(tmp_path / "set.zip").read(0)


def test_a_place_beyond_all_files_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", b"x" * 100)
    data = path.read_bytes()
    start = data.index(LIST_ENTRY)
    # A 64-bit extra field holds the place where the 32-bit one is all ones (APPNOTE 4.5.3).
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    entry = bytearray(data[start : start + 46] + b"a.png" + extra)
    struct.pack_into("<H", entry, 30, len(extra))
    struct.pack_into("<I", entry, 42, 0xFFFFFFFF)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), start, 0)
    path.write_bytes(data[:start] + entry + end)
    with pytest.raises(BadImageError, match="damaged inside the zip file"):
        open_source(path).read(0)
