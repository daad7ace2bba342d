"""The files that would take the most of each reader: made to measure, given to it, and weighed.

python -m tests.fuzz.worst NAME prints what became of one, its seconds and its bytes of memory as JSON.
"""

import io
import json
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lfsgan_cli.benchmark.suite import read_suite
from lfsgan_cli.checkpoints import detect
from lfsgan_cli.checkpoints.torch_file import LONGEST
from lfsgan_cli.images.dataset import ImageDataset, check
from lfsgan_cli.images.decode import MOST_BYTES, decode, fit
from lfsgan_cli.images.formats import bytes_per_pixel
from lfsgan_cli.images.source import open_source
from lfsgan_cli.io import json as jsonlines
from lfsgan_cli.io.safetensors import MAX_HEADER_BYTES, read_header
from tests.fuzz.watching import Peak, judged

TURNED = Image.Exif()
TURNED[0x0112] = 6


def header() -> bytes:
    """The largest header, of what takes most room in memory: empty lists."""
    text = b'{"a":[' + b"[]," * (MAX_HEADER_BYTES // 3 - 10) + b"[]]}"
    return len(text).to_bytes(8, "little") + text


def lines() -> bytes:
    """The longest log, in one line."""
    return b'{"a":[' + b"[]," * (jsonlines.MOST_BYTES // 3 - 10) + b"[]]}\n"


def entries() -> bytes:
    """As many entries in a zip as its list may hold, without anything in them."""
    name = b"a.png"
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    count = (16 << 20) // len(entry)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, count * len(entry), 0, 0)
    return entry * count + end


def bomb() -> bytes:
    """The most that an entry may unpack to."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.png", "w") as entry:
        for _ in range(128):
            entry.write(bytes(1 << 20))
    return whole.getvalue()


def dots() -> bytes:
    """As many tables within one another as a suite may have."""
    return b"\n".join(b".".join([b"a%d" % line] + [b"a"] * 100) + b"=1" for line in range(4800))


def instructions() -> bytes:
    """A pickle of as many lists as are followed."""
    return b"\x80\x02]" + b"]a" * (LONGEST // 2 - 10) + b"."


def picture(form: str, mode: str, **how: Any) -> bytes:
    """The largest image of a format, of one colour."""
    side = int((MOST_BYTES // bytes_per_pixel(form, progressive="progressive" in how)) ** 0.5)
    whole = io.BytesIO()
    blank = np.zeros((side, side), np.uint16) if mode == "I;16" else None
    image = Image.new(mode, (side, side)) if blank is None else Image.fromarray(blank)
    image.save(whole, form, exif=TURNED, **how)
    return whole.getvalue()


def drawn(path: Path) -> None:
    """An image, as it is read for training."""
    fit(decode(path.read_bytes()).image, 256)


WORST: dict[str, tuple[Callable[[], bytes], Callable[[Path], object]]] = {
    "header": (header, read_header),
    "lines": (lines, jsonlines.read_lines),
    "entries": (entries, open_source),
    "bomb": (bomb, lambda path: check(ImageDataset(open_source(path), 16))),
    "dots": (dots, lambda path: read_suite(path, None)),
    "instructions": (instructions, detect.read),
    "png": (lambda: picture("PNG", "RGBA"), drawn),
    "grey png": (lambda: picture("PNG", "I;16"), drawn),
    "jpeg": (lambda: picture("JPEG", "RGB"), drawn),
    "progressive jpeg": (lambda: picture("JPEG", "CMYK", progressive=True, subsampling=0), drawn),
    "webp": (lambda: picture("WEBP", "RGBA", lossless=True, method=0), drawn),
    "tiff": (lambda: picture("TIFF", "CMYK", compression="tiff_adobe_deflate"), drawn),
}


def weigh(name: str) -> dict[str, Any]:
    """What became of one file."""
    make, read = WORST[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("odd.zip" if name in {"entries", "bomb"} else "odd.png")
        path.write_bytes(make())
        size, begun = path.stat().st_size, time.process_time()
        with Peak() as memory:
            verdict, said = judged(read, path)
        seconds = time.process_time() - begun
    return {"verdict": verdict, "said": said, "bytes": size, "seconds": round(seconds, 2), "memory": memory.taken}


if __name__ == "__main__":
    print(json.dumps(weigh(sys.argv[1])))
