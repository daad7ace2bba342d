import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lfsgan_cli.images import decode as decode_module
from lfsgan_cli.images.decode import decode, fit
from lfsgan_cli.images.formats import FORMATS, BadImageError, bytes_per_pixel
from lfsgan_cli.images.framing import CropPosition, Framing

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
EXIF_ORIENTATION = 0x0112


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def noise(*, side: int = 24) -> Image.Image:
    """Hardly compressible, so that a cut anywhere takes pixels away."""
    return Image.fromarray(np.random.RandomState(0).randint(0, 256, (side, side, 3), dtype=np.uint8))


def pixels(data: bytes) -> NDArray[np.uint8]:
    decoded = decode(data)
    assert decoded.image.mode == "RGB"
    return np.asarray(decoded.image)


def red_left_of_blue() -> Image.Image:
    picture = Image.new("RGB", (32, 16), RED)
    picture.paste(BLUE, (16, 0, 32, 16))
    return picture


def complaint(data: bytes) -> str:
    try:
        decode(data)
    except BadImageError as error:
        return error.reason
    return "none"


def near(pixel: NDArray[np.uint8], colour: tuple[int, ...]) -> bool:
    """Within what lossy compression may change in a flat area."""
    return bool(np.abs(pixel.astype(int) - colour).max() <= 8)


class TestFormats:
    @pytest.mark.parametrize("form", FORMATS)
    def test_every_format_keeps_its_colours(self, form: str) -> None:
        picture = pixels(encoded(red_left_of_blue(), form))
        assert near(picture[8, 4], RED)
        assert near(picture[8, 28], BLUE)

    @pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
    def test_lossless_formats_keep_every_pixel(self, form: str) -> None:
        assert np.array_equal(pixels(encoded(noise(), form)), np.asarray(noise()))

    @pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_the_first_frame_stands_for_an_animation(self, form: str) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert near(pixels(data)[4, 4], RED)

    def test_a_phones_double_jpeg_counts_as_jpeg(self) -> None:
        data = encoded(red_left_of_blue(), "MPO", save_all=True, append_images=[noise()])
        assert near(pixels(data)[8, 4], RED)

    def test_other_formats_are_not_even_tried(self) -> None:
        with pytest.raises(BadImageError, match="not a PNG, JPEG, WebP, GIF, BMP"):
            decode(encoded(noise(), "PPM"))


class TestOrientation:
    # EXIF 2.3, table 6: where the image's top row and left column are shown when it is upright.
    @pytest.mark.parametrize(
        ("orientation", "red_is_at"),
        [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
    )
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_images_are_turned_upright(self, form: str, orientation: int, red_is_at: str) -> None:
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        picture = pixels(encoded(red_left_of_blue(), form, exif=exif))
        middle = {"left": (8, 4), "right": (8, 28), "top": (4, 8), "bottom": (28, 8)}[red_is_at]
        assert picture.shape == ((16, 32, 3) if red_is_at in {"left", "right"} else (32, 16, 3))
        assert near(picture[middle], RED)

    # As in the program, where decode.py sets this filter; pytest puts its own in front.
    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_unreadable_metadata_does_not_spoil_a_good_image(self) -> None:
        data = encoded(red_left_of_blue(), "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x00")
        assert near(pixels(data)[8, 4], RED)


class TestGrey:
    def test_grey_becomes_three_equal_channels(self) -> None:
        picture = pixels(encoded(Image.fromarray(np.array([[0, 100, 255]], np.uint8))))
        assert picture.tolist() == [[[0] * 3, [100] * 3, [255] * 3]]

    def test_one_bit_becomes_black_and_white(self) -> None:
        picture = Image.new("1", (2, 1))
        picture.putpixel((1, 0), 1)
        assert pixels(encoded(picture)).tolist() == [[[0] * 3, [255] * 3]]

    @pytest.mark.parametrize("form", ["PNG", "TIFF"])
    def test_16_bits_are_scaled_to_the_nearest_of_256_levels(self, form: str) -> None:
        levels = np.array([[0, 128, 129, 256, 257, 32768, 65406, 65407, 65535]], np.uint16)
        expected = [round(level / 65535 * 255) for level in levels[0].tolist()]
        assert pixels(encoded(Image.fromarray(levels), form))[0, :, 0].tolist() == expected

    def test_big_endian_16_bits_are_scaled_too(self) -> None:
        picture = Image.frombytes("I;16B", (2, 1), np.array([[257, 65535]], ">u2").tobytes())
        assert pixels(encoded(picture, "TIFF"))[0, :, 0].tolist() == [1, 255]

    def test_16_bits_held_in_32_are_scaled_too(self) -> None:
        picture = Image.fromarray(np.array([[0, 257 * 7, 65535]], np.int32))
        assert picture.mode == "I"
        assert pixels(encoded(picture, "TIFF"))[0, :, 0].tolist() == [0, 7, 255]

    @pytest.mark.parametrize("values", [np.array([[0, 2**20]], np.int32), np.array([[0.0, 0.5]], np.float32)])
    def test_greys_without_an_agreed_white_are_refused(self, values: NDArray[Any]) -> None:
        with pytest.raises(BadImageError, match="no agreed white; save it with 8 or 16 bits"):
            decode(encoded(Image.fromarray(values), "TIFF"))

    def test_cmyk_is_converted(self) -> None:
        for form in ("JPEG", "TIFF"):
            picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # full magenta and yellow: red
            assert near(pixels(encoded(picture, form))[8, 8], RED)


class TestTransparency:
    def test_what_is_transparent_turns_white_and_is_told(self) -> None:
        picture = Image.new("RGBA", (3, 1), (*RED, 255))
        picture.putpixel((1, 0), (*RED, 0))
        picture.putpixel((2, 0), (*RED, 51))  # a fifth red, four fifths white
        decoded = decode(encoded(picture))
        assert np.asarray(decoded.image).tolist() == [[list(RED), list(WHITE), [255, 204, 204]]]
        assert decoded.flattened

    def test_an_alpha_channel_without_transparency_changes_nothing(self) -> None:
        picture = noise()
        picture.putalpha(255)
        decoded = decode(encoded(picture))
        assert np.array_equal(np.asarray(decoded.image), np.asarray(noise()))
        assert not decoded.flattened

    def test_grey_with_alpha(self) -> None:
        picture = Image.new("LA", (2, 1), (100, 255))
        picture.putpixel((1, 0), (100, 0))
        assert pixels(encoded(picture)).tolist() == [[[100] * 3, list(WHITE)]]

    @pytest.mark.parametrize("transparency", [1, bytes([255, 0])], ids=["one entry", "alpha for each entry"])
    def test_palette(self, transparency: int | bytes) -> None:
        picture = Image.new("P", (2, 1), 0)
        picture.putpalette([*RED, *BLUE])
        picture.putpixel((1, 0), 1)
        assert pixels(encoded(picture)).tolist() == [[list(RED), list(BLUE)]]
        decoded = decode(encoded(picture, transparency=transparency))
        assert np.asarray(decoded.image).tolist() == [[list(RED), list(WHITE)]]
        assert decoded.flattened

    def test_gif(self) -> None:
        picture = Image.new("P", (2, 1), 0)
        picture.putpalette([*RED, *BLUE])
        picture.putpixel((1, 0), 1)
        assert pixels(encoded(picture, "GIF", transparency=1)).tolist() == [[list(RED), list(WHITE)]]

    def test_a_transparent_colour(self) -> None:
        assert pixels(encoded(red_left_of_blue(), transparency=BLUE))[8, 28].tolist() == list(WHITE)

    def test_a_transparent_level_of_16_bits(self) -> None:
        data = encoded(Image.fromarray(np.array([[1000, 1001]], np.uint16)), transparency=1001)
        assert pixels(data).tolist() == [[[4] * 3, list(WHITE)]]  # 1000 / 257 is nearest to 4


class TestBands:
    @pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
    def test_an_image_that_is_converted_in_bands_is_the_same(self, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
        grey = np.random.RandomState(1).randint(0, 65536, (37, 24), dtype=np.uint16)
        picture = Image.fromarray(grey) if mode == "I;16" else noise(side=37).convert(mode)
        if mode in {"LA", "RGBA"}:
            picture.putalpha(noise(side=37).getchannel("G"))
        data = encoded(picture, "TIFF")
        whole = decode(data)
        monkeypatch.setattr(decode_module, "_BAND", 100)  # two rows of 37, four of 24
        again = decode(data)
        assert np.array_equal(np.asarray(again.image), np.asarray(whole.image))
        assert again.flattened is whole.flattened is (mode in {"LA", "RGBA"})


class TestBadPictures:
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.filterwarnings("ignore::UserWarning")  # as in the program, see above
    def test_an_image_cut_in_the_middle_is_cut_off(self, form: str) -> None:
        data = encoded(noise(side=64), form)
        with pytest.raises(BadImageError, match=r"^cut off"):
            decode(data[: len(data) // 2])

    def test_a_beginning_without_pixels_is_told_from_another_kind_of_file(self) -> None:
        with pytest.raises(BadImageError, match=r"^cut off or damaged near its beginning$"):
            decode(encoded(noise(), "GIF")[:100])  # ends within its palette

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_wherever_an_image_is_cut_it_is_refused(self, form: str) -> None:
        data = encoded(noise(side=8), form)
        for length in range(0, len(data) - 24, 5):  # a PNG ends with 24 bytes of checksums and marks
            with pytest.raises(BadImageError):
                decode(data[:length])

    def test_text_is_not_an_image(self) -> None:
        with pytest.raises(BadImageError, match=r"^not a PNG, JPEG, WebP, GIF, BMP.* image$"):
            decode(b"hello, I was renamed to .png")

    def test_an_empty_file_says_so(self) -> None:
        with pytest.raises(BadImageError, match=r"^an empty file$"):
            decode(b"")

    def test_a_flipped_byte_in_a_png_is_damage(self) -> None:
        data = bytearray(encoded(noise()))
        data[len(data) // 2] ^= 0xFF
        with pytest.raises(BadImageError, match="damaged"):
            decode(bytes(data))

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("limit", [24 * 24 - 1, 10], ids=["Pillow warns", "Pillow raises"])
    def test_more_pixels_than_are_safe_is_an_error(
        self, form: str, limit: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = encoded(noise(side=24), form)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(BadImageError, match=f"more than the {limit} pixels that are safe to open"):
            decode(data)

    @pytest.mark.filterwarnings("ignore")
    def test_silenced_warnings_do_not_lift_the_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 24 - 1)
        with pytest.raises(BadImageError, match="safe to open"):
            decode(encoded(noise(side=24)))

    def test_the_limit_itself_is_safe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 24)
        assert pixels(encoded(noise(side=24))).shape == (24, 24, 3)

    @pytest.mark.parametrize(
        ("form", "how", "most"),
        [("PNG", {}, 9), ("JPEG", {}, 9), ("JPEG", {"progressive": True}, 13), ("TIFF", {}, 14), ("WEBP", {}, 20)],
    )
    def test_what_decoding_would_take_is_bounded_for_each_format(
        self,
        form: str,
        how: dict[str, Any],
        most: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        data = encoded(noise(side=24), form, **how)
        monkeypatch.setattr(decode_module, "MOST_BYTES", most * 24 * 24)
        decode(data)
        monkeypatch.setattr(decode_module, "MOST_BYTES", most * 24 * 24 - 1)
        with pytest.raises(BadImageError, match="more than the 575 pixels that are safe to open"):
            decode(data)

    def test_a_phones_fifty_megapixels_are_within_the_limit(self) -> None:
        assert decode_module.MOST_BYTES // bytes_per_pixel("JPEG", progressive=False) >= 8192 * 6144

    @pytest.mark.parametrize("sides", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
    def test_a_few_bytes_that_claim_any_size_are_refused_before_they_are_decoded(self, sides: tuple[int, int]) -> None:
        data = bytearray(encoded(noise(side=2)))
        data[16:24] = struct.pack(">II", *sides)  # width and height, the first words of the header chunk
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        with pytest.raises(BadImageError, match="pixels that are safe to open"):
            decode(bytes(data))

    def test_an_image_without_pixels_is_refused(self) -> None:
        one = encoded(Image.new("RGB", (1, 1)), "GIF")
        logical, local = one.index(b"GIF89a" if b"GIF89a" in one else b"GIF87a") + 6, one.index(b",", 13) + 5
        data = bytearray(one)
        data[logical : logical + 2] = data[local : local + 2] = b"\x00\x00"  # both widths, little-endian
        with pytest.raises(BadImageError):
            decode(bytes(data))

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_random_damage_never_ends_in_another_error_than_ours(self, form: str, seed: int) -> None:
        rng = np.random.RandomState(seed)
        whole = np.frombuffer(encoded(noise(side=8), form), np.uint8)
        for _ in range(100):
            data = whole.copy()
            data[rng.randint(0, len(data), 4)] = rng.randint(0, 256, 4)
            assert complaint(data.tobytes()).isprintable()


class TestBytesAfterTheEnd:
    def test_they_do_no_harm(self) -> None:
        for form in ("JPEG", "GIF", "WEBP", "PNG"):
            assert near(pixels(encoded(red_left_of_blue(), form) + b"\xff\xda and more")[8, 4], RED)


class TestFit:
    def test_the_centre_is_kept(self) -> None:
        for size in ((30, 10), (10, 30)):
            picture = Image.new("RGB", size, RED)
            picture.paste(BLUE, ((size[0] - 10) // 2, (size[1] - 10) // 2, (size[0] + 10) // 2, (size[1] + 10) // 2))
            assert np.asarray(fit(picture, 10)).tolist() == np.asarray(Image.new("RGB", (10, 10), BLUE)).tolist()

    def test_what_lies_outside_the_square_does_not_bleed_into_it(self) -> None:
        picture = Image.new("RGB", (60, 20), RED)
        picture.paste(BLUE, (20, 0, 40, 20))
        assert np.asarray(fit(picture, 5)).reshape(-1, 3).tolist() == [list(BLUE)] * 25

    def test_the_right_size_is_left_alone(self) -> None:
        assert np.array_equal(np.asarray(fit(noise(side=16), 16)), np.asarray(noise(side=16)))

    @pytest.mark.parametrize("size", [(7, 5), (100, 33), (1, 40), (64, 64)])
    def test_any_size_fits(self, size: tuple[int, int]) -> None:
        assert fit(Image.new("RGB", size, RED), 16).size == (16, 16)

    @pytest.mark.parametrize(
        ("size", "position", "kept"),
        [
            ((30, 10), "left", 0), ((30, 10), "center", 10), ((30, 10), "right", 20), ((30, 10), "top", 10),
            ((10, 30), "top", 0), ((10, 30), "center", 10), ((10, 30), "bottom", 20), ((10, 30), "left", 10),
        ],
    )  # fmt: skip
    def test_the_position_says_what_is_kept(self, size: tuple[int, int], position: CropPosition, kept: int) -> None:
        ramp = np.arange(30, dtype=np.uint8)
        levels = np.broadcast_to(ramp[None] if size[0] == 30 else ramp[:, None], size[::-1])
        square = np.asarray(fit(Image.fromarray(np.stack([levels] * 3, -1)), 10, Framing("crop", position)))
        assert square.min() == kept
        assert square.max() == kept + 9

    def test_padding_keeps_all_of_it_on_white(self) -> None:
        square = np.asarray(fit(Image.new("RGB", (40, 20), RED), 20, Framing("pad")))
        assert [square[y, 10].tolist() for y in (4, 5, 14, 15)] == [list(WHITE), list(RED), list(RED), list(WHITE)]

    def test_stretching_keeps_all_of_it(self) -> None:
        square = np.asarray(fit(red_left_of_blue(), 16, Framing("stretch")))
        assert (square[:, :4] == RED).all()
        assert (square[:, 12:] == BLUE).all()

    def test_shrinking_averages_instead_of_skipping(self) -> None:
        stripes = np.zeros((64, 64, 3), np.uint8)
        stripes[:, ::2] = 255
        middle = np.asarray(fit(Image.fromarray(stripes), 8))[2:6, 2:6]
        assert np.abs(middle.astype(int) - 128).max() <= 4
