import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lfsgan_cli.images.dataset import ImageDataset, TooFewImagesError, check, identity, load_images
from lfsgan_cli.images.formats import TAKEN, BadImagesError, UnusableFile
from lfsgan_cli.images.framing import DEFAULT_FRAMING, Framing
from lfsgan_cli.images.source import NoImagesError, open_source
from lfsgan_cli.images.summary import ImageSummary

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
    """The folder with two bad images among the good ones."""
    whole = (folder / "c.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("hello")
    return folder


def dataset(path: Path) -> ImageDataset:
    return ImageDataset(open_source(path), 8)


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as file:
        for picture in folder.iterdir():
            file.write(picture, picture.name)
    return path


class TestPictureSet:
    def test_is_a_sequence_of_8_bit_images_in_order_of_names(self, folder: Path) -> None:
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

    def test_a_bad_image_is_named(self, broken: Path) -> None:
        pictures = ImageDataset(open_source(broken), 8)
        with pytest.raises(BadImagesError, match=r"cut\.png: cut off"):
            pictures[pictures.source.names.index("cut.png")]

    def test_threads_may_share_a_zip(self, folder: Path) -> None:
        pictures = ImageDataset(open_source(zipped(folder)), 8)
        with ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda index: pictures[index % 3], range(60)))
        assert all(np.all(picture == list(COLOURS.values())[index % 3]) for index, picture in enumerate(drawn))


class TestCheck:
    @pytest.mark.parametrize("look", [lambda path: check(dataset(path)), lambda path: load_images(path, 8)])
    def test_every_bad_image_is_named_with_its_reason(self, broken: Path, look: Callable[[Path], object]) -> None:
        with pytest.raises(BadImagesError) as caught:
            look(broken)
        assert caught.value.bad == (
            UnusableFile("cut.png", "cut off"),
            UnusableFile("text.png", f"not {TAKEN}"),
        )
        assert (
            f"2 images in {str(broken)!r} cannot be used: "
            f"cut.png: cut off; text.png: not {TAKEN}; repair them or remove them"
        ) == str(caught.value)

    def test_one_bad_image_is_worded_as_one(self, broken: Path) -> None:
        (broken / "text.png").unlink()
        with pytest.raises(BadImagesError, match=r"^an image in .* cannot be used: cut\.png: cut off"):
            check(dataset(broken))

    def test_file_names_cannot_steer_the_terminal(self, folder: Path) -> None:
        (folder / "evil\x1b[2J\n\u202e.png").write_text("hello")
        with pytest.raises(BadImagesError) as caught:
            check(dataset(folder))
        assert str(caught.value).isprintable()
        assert r"evil\x1b[2J\n\u202e.png: not a" in str(caught.value)

    def test_file_names_that_are_not_text_can_be_reported(self, tmp_path: Path) -> None:
        error = BadImagesError(tmp_path, [UnusableFile("caf\udce9.png", "cut off")])  # how Python spells Latin-1 names
        assert r"caf\udce9.png" in str(error).encode().decode()

    def test_a_caller_can_follow_file_by_file(self, folder: Path) -> None:
        images = dataset(folder)
        findings = list(images.examine())
        assert [found.name for found in findings] == list(images.source.names)
        assert images.conclude(findings).findings == check(images).findings

    def test_fewer_different_images_than_needed_are_refused(self, folder: Path) -> None:
        images = dataset(folder)
        assert images.conclude(images.examine(), least=3).different == 3
        with pytest.raises(TooFewImagesError):
            images.conclude(images.examine(), least=4)


class TestLoadShots:
    def test_images_come_in_order_of_their_names(self, folder: Path) -> None:
        shots = load_images(folder, 8)
        assert shots.names == tuple(COLOURS)
        assert shots.pictures.shape == (3, 8, 8, 3)
        assert shots.pictures.dtype == np.uint8
        assert shots.pictures[:, 0, 0].tolist() == [list(colour) for colour in COLOURS.values()]

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

    def test_two_images_are_enough(self, folder: Path) -> None:
        (folder / "a.png").unlink()
        assert len(load_images(folder, 8).pictures) == 2

    def test_one_image_is_too_few(self, folder: Path) -> None:
        (folder / "a.png").unlink()
        (folder / "b.png").unlink()
        with pytest.raises(
            TooFewImagesError, match=r"only one image in .*: learning needs at least 2 different images"
        ):
            load_images(folder, 8)

    def test_one_image_many_times_is_too_few(self, folder: Path) -> None:
        for name in ("b.png", "c.png"):
            (folder / name).write_bytes((folder / "a.png").read_bytes())
        with pytest.raises(TooFewImagesError, match="3 images, all with the same pixels"):
            load_images(folder, 8)

    def test_images_are_framed_as_asked(self, folder: Path) -> None:
        pictures = load_images(folder, 20, Framing("pad")).pictures
        assert pictures[0, :, 10].tolist() == [[255] * 3] * 4 + [[255, 0, 0]] * 12 + [[255] * 3] * 4

    def test_no_image_has_its_own_wording(self, tmp_path: Path) -> None:
        with pytest.raises(NoImagesError, match="no image to use in"):
            load_images(tmp_path, 8)


class TestSummary:
    def summary(self, folder: Path, framing: Framing = DEFAULT_FRAMING) -> ImageSummary:
        return check(ImageDataset(open_source(folder), 8, framing))

    def test_one_line_says_how_many_which_sizes_and_what_was_skipped(self, folder: Path) -> None:
        assert self.summary(folder).line() == "Using 3 images (20×12)."
        plain(folder / "d.png", (1, 2, 3), size=(100, 50))
        (folder / "e.heic").write_text("")
        assert self.summary(folder).line() == (
            "Using 4 images (20×12 to 100×50); skipped 1: e.heic (not supported; save it as PNG or JPEG)."
        )
        assert self.summary(folder).to_json() == {
            "images": 4,
            "skipped": [{"file": "e.heic", "reason": "not supported; save it as PNG or JPEG"}],
            "left_out": 0,
        }

    @pytest.mark.parametrize(
        ("framing", "said"),
        [
            (
                Framing(),
                "cropped (center), which cuts up to 40 % of an image; use --fit pad or --fit stretch to keep all",
            ),
            (Framing(crop_position="left"), "cropped (left), which cuts up to 40 %"),
            (Framing("pad"), "padded with white"),
            (Framing("stretch"), "stretched to a square"),
        ],
    )
    def test_what_becomes_of_images_that_are_not_square(self, folder: Path, framing: Framing, said: str) -> None:
        (note,) = self.summary(folder, framing).notes(can_fit=True)
        assert note.startswith(f"3 of 3 images are not square: {said}")

    def test_square_opaque_images_need_no_notes(self, tmp_path: Path) -> None:
        for name, colour in COLOURS.items():
            plain(tmp_path / name, (*colour, 255), size=(8, 8))
        summary = self.summary(tmp_path)
        assert (summary.notes(can_fit=True), summary.warnings()) == ([], [])

    def test_transparency_is_told(self, folder: Path) -> None:
        plain(folder / "glass.png", (0, 0, 0, 0), size=(8, 8))
        assert "1 of 4 images is transparent in parts: blended with white." in self.summary(folder).notes(can_fit=False)

    def test_tiny_long_and_repeated_images_are_warned_of(self, folder: Path) -> None:
        plain(folder / "d.png", (255, 0, 0), size=(4, 4))
        plain(folder / "strip.png", (9, 9, 9), size=(200, 3))
        assert self.summary(folder).warnings() == [
            "2 of 5 images are smaller than 8×8 and enlarged: d.png (4×4), strip.png (200×3)",
            "1 of 5 images is at least 4 times as long as wide: strip.png (200×3)",
            "1 of 5 images is a copy of another one (the same pixels)",
        ]

    def test_a_broken_color_profile_is_warned_of(self, folder: Path) -> None:
        Image.new("RGB", (8, 8)).save(folder / "d.png", icc_profile=b"nonsense")
        (warning,) = self.summary(folder).warnings()
        assert warning.startswith("the color profile of 1 image is damaged and ignored")
        assert "d.png" in warning
