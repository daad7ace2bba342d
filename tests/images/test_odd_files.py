"""Files that other programs write and that are easily read wrong: each is read right, or refused with the reason."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from lfsgan_cli.images.decode import decode
from lfsgan_cli.images.formats import BadImageError, jpeg_end

# As in the program, where decode.py sets this filter; pytest puts its own in front.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RED, BLUE = (255, 0, 0), (0, 0, 255)
ORIENTATION = 0x0112
TURN_RIGHT = 6
SHORT, LONG = 3, 4  # types of TIFF's tags


def noise(side: int = 24) -> Image.Image:
    return Image.fromarray(np.random.RandomState(0).randint(0, 256, (side, side, 3), dtype=np.uint8))


def red_left_of_blue() -> Image.Image:
    image = Image.new("RGB", (32, 16), RED)
    image.paste(BLUE, (16, 0, 32, 16))
    return image


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode(data).image)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: bytes, width: int, height: int, *, interlaced: bool = False) -> bytes:
    """A whole PNG of 8-bit RGB around compressed rows that may be anything."""
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(image: NDArray[Any], tags: dict[int, tuple[int, int, int]], *, planar: bool = False) -> bytes:
    """An uncompressed little-endian TIFF of [H, W, C]. tags: type, number and value of further ones."""
    height, width, channels = image.shape
    data = (image.transpose(2, 0, 1) if planar else image).tobytes()
    bits, after = image.itemsize * 8, 8 + len(data)
    plane = len(data) // channels
    lists = struct.pack(f"<{channels}H", *[bits] * channels)
    starts = struct.pack(f"<{channels}I", *(8 + plane * index for index in range(channels)))
    sizes = struct.pack(f"<{channels}I", *[plane] * channels)
    entries = {
        256: (LONG, 1, width), 257: (LONG, 1, height), 259: (SHORT, 1, 1), 262: (SHORT, 1, 2 if channels > 2 else 1),
        258: (SHORT, channels, after if channels > 2 else bits | bits << 16), 277: (SHORT, 1, channels),
        278: (LONG, 1, height), 273: (LONG, 1, 8), 279: (LONG, 1, len(data)),
        **({284: (SHORT, 1, 2), 273: (LONG, channels, after + len(lists)),
            279: (LONG, channels, after + len(lists) + len(starts))} if planar else {}),
        **tags,
    }  # fmt: skip
    directory = after + len(lists) + len(starts) + len(sizes)
    listed = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return (
        b"II*\x00" + struct.pack("<I", directory) + data + lists + starts + sizes
        + struct.pack("<H", len(entries)) + listed + bytes(4)
    )  # fmt: skip


def exif(*entries: tuple[int, int, int, int]) -> bytes:
    listed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"Exif\x00\x00II*\x00" + struct.pack("<IH", 8, len(entries)) + listed + bytes(4)


class TestPngRows:
    def test_a_stream_that_ends_before_the_last_row_is_cut_off(self) -> None:
        rows = b"".join(b"\x00" + bytes(range(72)) for _ in range(24))
        assert decode(png(zlib.compress(rows), 24, 24)).image.size == (24, 24)
        for lines in (0, 1, 12, 23):
            with pytest.raises(BadImageError, match="cut off"):
                decode(png(zlib.compress(rows[: lines * 73]), 24, 24))

    def test_a_stream_of_an_interlaced_image_that_ends_early_is_cut_off(self) -> None:
        # Adam7 has passes of 1, 0, 0, 1, 0, 1 and 3 of the 3×2 pixels.
        rows = b"\x00" + bytes(3) + b"\x00" + bytes(3) + b"\x00" + bytes(3) + b"\x00" + bytes(9)
        assert decode(png(zlib.compress(rows), 3, 2, interlaced=True)).image.size == (3, 2)
        with pytest.raises(BadImageError, match="cut off"):
            decode(png(zlib.compress(rows[:-1]), 3, 2, interlaced=True))

    def test_a_damaged_stream_under_right_checksums_is_damage(self) -> None:
        stream = bytearray(
            zlib.compress(b"".join(b"\x00" + noise().tobytes()[72 * y : 72 * y + 72] for y in range(24)))
        )
        stream[len(stream) // 2] ^= 0xFF
        with pytest.raises(BadImageError, match=r"damaged|cut off"):
            decode(png(bytes(stream), 24, 24))


class TestJpegRows:
    """libjpeg fills rows that are missing before an end marker with grey, and Pillow says nothing."""

    @pytest.mark.parametrize("mode", ["RGB", "L"])
    @pytest.mark.parametrize("kind", ["noise", "drawing"])
    @pytest.mark.parametrize(
        "options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}], ids=str
    )
    def test_rows_that_end_before_the_end_marker_are_cut_off(
        self, mode: str, kind: str, options: dict[str, int]
    ) -> None:
        pixels = np.random.RandomState(0).randint(0, 255, (150, 90, 3)).astype(np.uint8)
        if kind == "drawing":  # plain white at the end, as a block that was never decoded has one color too
            pixels[40:] = 255
        file = io.BytesIO()
        Image.fromarray(pixels).convert(mode).save(file, "JPEG", **options)
        data = file.getvalue()
        assert decode(data).image.size == (90, 150)
        scan, end = data.index(b"\xff\xda") + 14, jpeg_end(data)
        assert end == len(data) - 2
        for share in (0.2, 0.5):
            cut = data[: scan + int(share * (end - scan))].rstrip(b"\xff") + b"\xff\xd9"
            with pytest.raises(BadImageError, match=r"cut off \(rows are missing\)"):
                decode(cut)

    def test_a_second_image_behind_the_first_is_not_looked_at(self) -> None:
        first, second = io.BytesIO(), io.BytesIO()
        Image.new("RGB", (40, 40), "white").save(first, "JPEG")
        Image.new("RGB", (16, 16), "red").save(second, "JPEG")
        assert decode(first.getvalue() + second.getvalue()[:300]).image.size == (40, 40)


class TestPngText:
    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "after them"])
    def test_text_of_any_length_is_read_past(self, zipped: bool, after: bool) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text("prompt", "x" * 3_000_000, zip=zipped)
        data = encoded(noise(), pnginfo=text)
        if after:
            begin, end = data.index(b"tEXt" if not zipped else b"zTXt") - 4, data.index(b"IDAT") - 4
            data = data[:begin] + data[end:-12] + data[begin:end] + data[-12:]
        assert np.array_equal(pixels(data), np.asarray(noise()))

    def test_the_orientation_that_imagemagick_keeps_in_a_text_is_read(self) -> None:
        block = exif((ORIENTATION, SHORT, 1, TURN_RIGHT))
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
        assert decode(encoded(red_left_of_blue(), pnginfo=text)).image.size == (16, 32)


class TestExif:
    @pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
    @pytest.mark.parametrize("tag", [0x0100, 0x010F, 0x011A, 0x0132, 0x0201, 0x8769, 0x8825, 0x9286, 0xA005])
    def test_whatever_other_tags_hold_the_image_is_read_and_turned(self, form: str, tag: int) -> None:
        for kind in range(14):  # 13 and above are no types
            for count, value in ((1, 7), (3, 9999), (4, 2**32 - 1), (0, 0)):
                odd = exif((tag, kind, count, value), (ORIENTATION, SHORT, 1, TURN_RIGHT))
                assert decode(encoded(red_left_of_blue(), form, exif=odd)).image.size == (16, 32)

    @pytest.mark.parametrize("tag", [270, 306, 315, 700, 33723, 34665, 34853])
    def test_a_tiff_with_odd_descriptions_is_read_and_turned(self, tag: int) -> None:
        for kind in range(14):
            for count, value in ((1, 7), (1, 2**32 - 16), (3, 9999), (4, 2**32 - 1), (0, 0)):
                tags = {tag: (kind, count, value), ORIENTATION: (SHORT, 1, TURN_RIGHT)}
                assert decode(tiff(np.asarray(red_left_of_blue()), tags)).image.size == (16, 32)

    @pytest.mark.parametrize("block", [b"", b"Exif\x00\x00", b"II*\x00\xff\xff\xff\xff", exif((ORIENTATION, 2, 1, 6))])
    def test_no_orientation_that_can_be_read_is_none(self, block: bytes) -> None:
        assert decode(encoded(red_left_of_blue(), "JPEG", exif=block)).image.size == (32, 16)


class TestTiff:
    def test_planes_of_8_bits_are_read_like_interleaved_ones(self) -> None:
        image = np.asarray(noise())
        assert np.array_equal(pixels(tiff(image, {})), image)
        assert np.array_equal(pixels(tiff(image, {}, planar=True)), image)

    def test_interleaved_16_bits_keep_their_high_byte(self) -> None:
        image = np.asarray(noise()).astype(np.uint16) * 257
        assert np.array_equal(pixels(tiff(image, {})), np.asarray(noise()))

    @pytest.mark.parametrize(
        ("dtype", "channels", "planar", "tags", "said"),
        [
            (np.uint16, 3, True, {}, r"16 bits, 3 channels, separate planes"),
            (np.uint16, 2, False, {338: (SHORT, 1, 2)}, r"16 bits, 2 channels"),
            (np.float32, 3, False, {339: (SHORT, 1, 3)}, r"32 bits, 3 channels, fractions"),
            (np.uint8, 3, False, {259: (SHORT, 1, 34712)}, r"8 bits, 3 channels, compression 34712"),
        ],
    )
    def test_kinds_that_cannot_be_read_say_which_they_are(
        self, dtype: Any, channels: int, planar: bool, tags: dict[int, tuple[int, int, int]], said: str
    ) -> None:
        image = np.zeros((8, 8, channels), dtype)
        with pytest.raises(
            BadImageError, match=rf"this kind of TIFF \({said}\) is not supported; save it as 8-bit RGB"
        ):
            decode(tiff(image, tags, planar=planar))


def profile(*columns: int) -> bytes:
    """sRGB's profile with the colors of its red, green and blue in another order."""
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    places = {plain[144 + 12 * n - 12 : 148 + 12 * n - 12]: 144 + 12 * n - 12 for n in range(plain[131] + 1)}
    tags = [plain[places[name] + 4 : places[name] + 12] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    changed = bytearray(plain)
    for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
        changed[places[name] + 4 : places[name] + 12] = tags[column]
    return bytes(changed)


class TestColorProfiles:
    @pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
    def test_colors_mean_what_the_profile_says(self, form: str) -> None:
        options = {"lossless": True} if form == "WEBP" else {}
        image = Image.new("RGB", (8, 8), (0, 255, 0))
        read = pixels(encoded(image, form, icc_profile=profile(1, 0, 2), **options))  # its green is red
        assert np.abs(read.reshape(-1, 3).astype(int) - RED).max() <= 3

    def test_srgb_in_any_words_changes_no_pixel(self) -> None:
        decoded = decode(encoded(noise(), icc_profile=profile(0, 1, 2)))
        assert np.array_equal(np.asarray(decoded.image), np.asarray(noise()))
        assert not decoded.bad_profile

    def test_transparency_and_palettes_are_converted_too(self) -> None:
        image = Image.new("RGBA", (2, 1), (0, 255, 0, 255))
        image.putpixel((1, 0), (0, 255, 0, 0))
        read = pixels(encoded(image, icc_profile=profile(1, 0, 2)))[0].astype(int)
        assert np.abs(read - [RED, (255, 255, 255)]).max() <= 3
        palette = Image.new("P", (1, 1), 0)
        palette.putpalette([0, 255, 0])
        assert np.abs(pixels(encoded(palette, icc_profile=profile(1, 0, 2)))[0, 0].astype(int) - RED).max() <= 3

    @pytest.mark.parametrize("broken", [b"not a profile", profile(1, 0, 2)[:200], b"\x00" * 500])
    def test_a_broken_profile_is_ignored_and_told(self, broken: bytes) -> None:
        decoded = decode(encoded(noise(), icc_profile=broken))
        assert np.array_equal(np.asarray(decoded.image), np.asarray(noise()))
        assert decoded.bad_profile

    def test_a_grey_image_with_a_profile_for_colors_stays_grey(self) -> None:
        grey = np.arange(256, dtype=np.uint8)[None]
        decoded = decode(encoded(Image.fromarray(grey), icc_profile=profile(0, 1, 2)))
        assert np.array_equal(np.asarray(decoded.image)[..., 1], grey)
        assert not decoded.bad_profile


class TestTransparency:
    @pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
    def test_an_opaque_alpha_channel_is_no_transparency(self, form: str) -> None:
        image = noise()
        image.putalpha(255)
        assert not decode(encoded(image, form)).flattened
