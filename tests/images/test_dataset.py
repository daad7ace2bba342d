import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.images.dataset import ImageDataset, check, conclude, examine, identity, load_images
from lfsgan_cli.images.formats import BadImage, BadPicturesError, NoPicturesError, TooFewPicturesError
from lfsgan_cli.images.source import open_source

COLOURS = {"a.png": (255, 0, 0), "b.png": (0, 255, 0), "c.png": (0, 0, 255)}


def plain(path: Path, colour: tuple[int, ...], *, size: tuple[int, int] = (20, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        plain(tmp_path / "set" / name, colour)
    return tmp_path / "set"


@pytest.fixture
def broken(folder: Path) -> Path:
    """The folder with two bad pictures among the good ones."""
    whole = (folder / "c.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("hello")
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as file:
        for picture in folder.iterdir():
            file.write(picture, picture.name)
    return path


class TestPictureSet:
    def test_is_a_sequence_of_8_bit_pictures_in_order_of_names(self, folder: Path) -> None:
        pictures = ImageDataset(open_source(folder), 8)
        assert len(pictures) == 3
        for index, colour in enumerate(COLOURS.values()):
            picture = pictures[index]
            assert picture.shape == (8, 8, 3)
            assert picture.dtype == np.uint8
            assert picture.flags.writeable
            assert np.all(picture == colour)

    def test_files_are_read_when_they_are_asked_for(self, folder: Path) -> None:
        pictures = ImageDataset(open_source(folder), 8)
        plain(folder / "a.png", (1, 2, 3))
        assert np.all(pictures[0] == (1, 2, 3))

    def test_a_bad_picture_is_named(self, broken: Path) -> None:
        pictures = ImageDataset(open_source(broken), 8)
        with pytest.raises(BadPicturesError, match=r"cut\.png: cut off"):
            pictures[pictures.source.names.index("cut.png")]

    def test_threads_may_share_a_zip(self, folder: Path) -> None:
        pictures = ImageDataset(open_source(zipped(folder)), 8)
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda index: pictures[index % 3], range(60)))
        assert all(np.all(picture == list(COLOURS.values())[index % 3]) for index, picture in enumerate(drawn))


class TestCheck:
    def test_counts_pictures_and_transparent_ones(self, folder: Path) -> None:
        plain(folder / "glass.png", (0, 0, 0, 0))
        checked = check(open_source(folder))
        assert (checked.pictures, checked.transparent) == (4, 1)

    @pytest.mark.parametrize("look", [lambda path: check(open_source(path)), lambda path: load_images(path, 8)])
    def test_every_bad_picture_is_named_with_its_reason(self, broken: Path, look: Callable[[Path], object]) -> None:
        with pytest.raises(BadPicturesError) as caught:
            look(broken)
        assert caught.value.bad == (
            BadImage("cut.png", "cut off"),
            BadImage("text.png", "not a PNG, JPEG, WebP, GIF, BMP or TIFF picture"),
        )
        assert (
            f"2 pictures in {str(broken)!r} cannot be used: "
            "cut.png: cut off; text.png: not a PNG, JPEG, WebP, GIF, BMP or TIFF picture (mend them or take them out)"
        ) == str(caught.value)

    def test_one_bad_picture_is_worded_as_one(self, broken: Path) -> None:
        (broken / "text.png").unlink()
        with pytest.raises(BadPicturesError, match=r"^a picture in .* cannot be used: cut\.png: cut off"):
            check(open_source(broken))

    def test_file_names_cannot_steer_the_terminal(self, folder: Path) -> None:
        (folder / "evil\x1b[2J\n\u202e.png").write_text("hello")
        with pytest.raises(BadPicturesError) as caught:
            check(open_source(folder))
        assert str(caught.value).isprintable()
        assert r"evil\x1b[2J\n\u202e.png: not a" in str(caught.value)

    def test_file_names_that_are_not_text_can_be_reported(self, tmp_path: Path) -> None:
        error = BadPicturesError(tmp_path, [BadImage("caf\udce9.png", "cut off")])  # how Python spells Latin-1 names
        assert r"caf\udce9.png" in str(error).encode().decode()

    def test_a_caller_can_follow_file_by_file(self, folder: Path) -> None:
        source = open_source(folder)
        findings = list(examine(source))
        assert len(findings) == len(source.names)
        assert conclude(source, findings) == check(source)


class TestLoadShots:
    def test_pictures_come_in_order_of_their_names(self, folder: Path) -> None:
        shots = load_images(folder, 8)
        assert shots.names == tuple(COLOURS)
        assert shots.pictures.shape == (3, 8, 8, 3)
        assert shots.pictures.dtype == np.uint8
        assert shots.pictures[:, 0, 0].tolist() == [list(colour) for colour in COLOURS.values()]

    def test_what_was_laid_on_white_is_counted(self, folder: Path) -> None:
        assert load_images(folder, 8).flattened == 0
        plain(folder / "glass.png", (0, 0, 0, 0))
        plain(folder / "opaque.png", (0, 0, 0, 255))
        assert load_images(folder, 8).flattened == 1

    def test_identity_is_that_of_the_pixels(self, folder: Path, tmp_path: Path) -> None:
        first = load_images(folder, 8).identity
        assert load_images(zipped(folder), 8).identity == first
        for number, (name, colour) in enumerate(COLOURS.items()):
            Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}{name}.bmp")
        (tmp_path / "set.zip").unlink()
        for file in folder.iterdir():
            file.unlink()
        assert load_images(tmp_path, 8).identity == first

    def test_identity_tells_order_pixels_and_resolution_apart(self, folder: Path) -> None:
        identities = {load_images(folder, 8).identity, load_images(folder, 16).identity}
        (folder / "a.png").rename(folder / "z.png")
        identities.add(load_images(folder, 8).identity)
        plain(folder / "z.png", (254, 0, 0))
        identities.add(load_images(folder, 8).identity)
        assert len(identities) == 4

    def test_identity_tells_shapes_of_the_same_bytes_apart(self) -> None:
        pictures = np.zeros((2, 4, 4, 3), np.uint8)
        assert identity(pictures) != identity(pictures.reshape(8, 2, 2, 3))

    def test_two_pictures_are_enough(self, folder: Path) -> None:
        (folder / "a.png").unlink()
        assert len(load_images(folder, 8).pictures) == 2

    def test_one_picture_is_too_few(self, folder: Path) -> None:
        (folder / "a.png").unlink()
        (folder / "b.png").unlink()
        with pytest.raises(TooFewPicturesError, match=r"only one picture .*\(c\.png\): learning needs at least two"):
            load_images(folder, 8)

    def test_no_picture_has_its_own_wording(self, tmp_path: Path) -> None:
        with pytest.raises(NoPicturesError, match="no picture in"):
            load_images(tmp_path, 8)
