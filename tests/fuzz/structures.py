"""Changes what a format says of itself, and keeps the rest sound, so that damage gets past the first check."""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Random = np.random.RandomState
Change = Callable[[bytes, Random], bytes]

PNG = b"\x89PNG\r\n\x1a\n"
LIST_ENTRY, LIST_END = b"PK\x01\x02", b"PK\x05\x06"  # of a zip

# What a stranger may say in place of a value: too large, of another kind, or meant for the terminal.
NUMBERS: list[Any] = [0, -1, 1, 2**31, 2**40, 2**63 - 1, 2**64, 10**30, 1e308, float("nan"), float("inf"), 0.5, True]
TEXTS = [
    "", "\x1b[31mred\x1b[0m", "[red]markup[/red]", "[link=https://example.org]x[/link]", "<script>alert(1)</script>",
    "\u202egnp.exe", "../../../etc/passwd", "/etc/passwd", "a\nb", "\x00", "x" * 3000, "=1+1", "\ud800", "base",
    "task/2", "NaN", "none", "task/1", "base/1", "left", "full", "[[[[",
]  # fmt: skip


def strange(rng: Random) -> Any:
    """A value that no reader waits for."""
    kind = rng.randint(5)
    if kind == 0:
        return NUMBERS[rng.randint(len(NUMBERS))]
    if kind == 1:
        return TEXTS[rng.randint(len(TEXTS))]
    if kind == 2:
        return [None, [], {}, [[]], {"a": {"b": []}}, [1] * 1000][rng.randint(6)]
    if kind == 3:
        return _nested(int(rng.choice([5, 31, 40, 500])))
    return {TEXTS[rng.randint(len(TEXTS))]: NUMBERS[rng.randint(len(NUMBERS))]}


def change_of(data: bytes) -> Change | None:
    """The change that fits a file's format; None for a format that has none here."""
    if data.startswith(PNG):
        return png
    if data[8:9] == b"{":
        return safetensors
    if data.startswith(b"PK"):
        return zip_list
    if data.startswith(b"{"):
        return json_lines
    if data.startswith((b"#", b"[")):
        return toml
    return None


def safetensors(data: bytes, rng: Random) -> bytes:
    """Another value somewhere in the header, in the JSON that is text in it, or in the tensors' bytes."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(rng.randint(1, 4)):
        kind = rng.randint(5)
        if kind == 0:
            body = _other_numbers(body, rng)
        elif kind == 1 and "__metadata__" in header:
            _change_text(header["__metadata__"], rng)
        else:
            _change_somewhere(header, rng)
    if rng.randint(2) and isinstance(header.get("__metadata__"), dict):
        _seal_again(header["__metadata__"], body)
    text = _spelled(header).encode("utf-8", "surrogatepass")
    claimed = int(rng.choice([len(text), len(text), len(text), 2**40, 2**63, 0, len(text) + 1]))
    return (claimed % 2**64).to_bytes(8, "little") + text + body


def json_lines(data: bytes, rng: Random) -> bytes:
    """Another value in one of the lines."""
    lines = data.decode().splitlines()
    at = rng.randint(len(lines))
    try:
        document = json.loads(lines[at])
    except ValueError:  # a document over several lines
        document, lines, at = json.loads(data), [""], 0
    for _ in range(rng.randint(1, 3)):
        _change_somewhere(document, rng)
    lines[at] = _spelled(document)
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def png(data: bytes, rng: Random) -> bytes:
    """Another size, kind or chunk, with its checksum right."""
    chunks = list(_chunks(data))
    at = rng.randint(len(chunks)) if rng.randint(2) else 0
    kind, content = chunks[at]
    match rng.randint(5):
        case 0 if kind == b"IHDR":
            sides = [int(rng.choice([0, 1, 7000, 20_000, 2**20, 2**31 - 1])) for _ in range(2)]
            content = struct.pack(">II", *sides) + content[8:]
        case 1 if kind == b"IHDR":
            content = content[:8] + bytes(
                [int(rng.choice([1, 2, 4, 8, 16])), int(rng.choice([0, 2, 3, 4, 6])), 0, 0, 0]
            )
        case 2:
            content = zlib.compress(bytes(rng.randint(1 << 20)))
        case 3:
            bomb = [
                (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 24))),
                (b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 24))),
            ]
            chunks.insert(1, bomb[rng.randint(2)])
            return _png(chunks)
        case _:
            kind = [b"IDAT", b"PLTE", b"tRNS", b"acTL", b"fdAT", b"fcTL", b"eXIf", b"gAMA"][rng.randint(8)]
    chunks[at] = (kind, content)
    return _png(chunks)


def zip_list(data: bytes, rng: Random) -> bytes:
    """Another number in the list of entries or in the last record, or another name of the same length."""
    changed = bytearray(data)
    places = _all(data, LIST_ENTRY)
    if not places or rng.randint(5) == 0:
        return _with_entry(data, rng)
    place = places[rng.randint(len(places))] if rng.randint(4) else data.rindex(LIST_END)
    offset, form = [(8, "<H"), (10, "<H"), (20, "<I"), (24, "<I"), (28, "<H"), (30, "<H"), (38, "<I"), (42, "<I")][
        rng.randint(8)
    ]
    if place + offset + 4 <= len(changed):
        value = int(rng.choice([0, 1, 8, 12, 14, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 28, len(data)]))
        struct.pack_into(form, changed, place + offset, value & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    return bytes(changed)


def toml(data: bytes, rng: Random) -> bytes:
    """Another value, key or line."""
    lines = data.decode().splitlines()
    at = rng.randint(len(lines))
    key, equals, _ = lines[at].partition("=")
    values = [
        "0x" + "f" * 6000, "9" * 5000, "nan", "inf", "-1", "1e999", '"\\u0000"', '"\\u001b[31m"', "[" * 2000,
        "{a={a={a=1}}}", '"' + "x" * 5000 + '"', "1979-05-27", "[]", "{}", "true", '"../../etc"', '"/dev/zero"',
        "[[1]]", "2026-01-01T00:00:00Z",
    ]  # fmt: skip
    match rng.randint(4):
        case 0:
            lines[at] = ".".join(["a"] * int(rng.choice([3, 90, 200, 20_000]))) + " = 1"
        case 1:
            lines.insert(at, ["[[task]]", "[suite]", "[[method]]", "[" * 500, "[a.b.c]"][rng.randint(5)])
        case 2 if equals:
            lines[at] = f"{json.dumps(TEXTS[rng.randint(len(TEXTS))][:100])} = 1"
        case _ if equals:
            lines[at] = f"{key}= {values[rng.randint(len(values))]}"
        case _:
            del lines[at]
    return "\n".join(lines).encode("utf-8", "replace")


def _change_somewhere(document: Any, rng: Random) -> None:
    """One value of a document, at any depth, is another now, or gone, or under another name."""
    while isinstance(document, dict | list) and document:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        key = keys[rng.randint(len(keys))]
        if isinstance(document[key], dict | list) and document[key] and rng.randint(5):
            document = document[key]
            continue
        match rng.randint(4):
            case 0:
                del document[key]
            case 1 if isinstance(document, dict):
                document[TEXTS[rng.randint(len(TEXTS))]] = document.pop(key)
            case _:
                document[key] = strange(rng)
        return


def _change_text(metadata: dict[str, str], rng: Random) -> None:
    """A text of a header, or one value in the JSON that it is."""
    key = list(metadata)[rng.randint(len(metadata))]
    try:
        inner = json.loads(metadata[key])
    except (ValueError, TypeError):
        inner = None
    if isinstance(inner, dict) and inner:
        _change_somewhere(inner, rng)
        metadata[key] = _spelled(inner)
    else:
        metadata[key] = TEXTS[rng.randint(len(TEXTS))]


def _seal_again(metadata: dict[str, str], body: bytes) -> None:
    """The hash of the tensors as they are now, and none of the header: as somebody would who made the file so."""
    metadata.pop("lfsgan.header_sha256", None)
    metadata["modelspec.hash_sha256"] = f"0x{hashlib.sha256(body).hexdigest()}"


def _other_numbers(body: bytes, rng: Random) -> bytes:
    """NaN, infinity or a very large number in place of four bytes, or fewer bytes."""
    if len(body) < 8 or rng.randint(4) == 0:
        return body[: rng.randint(len(body) + 1)]
    at = 4 * rng.randint(len(body) // 4)
    return body[:at] + struct.pack("<f", float(rng.choice([np.nan, np.inf, -np.inf, 3e38]))) + body[at + 4 :]


def _with_entry(data: bytes, rng: Random) -> bytes:
    """One entry more: a name that leads out, a bomb, or one that is there already."""
    whole = io.BytesIO(data)
    names = ["../out.png", "/out.png", "a\x1b[31m.png", "a.png", "C:\\out.png", "x/" * 200 + "a.png"]
    content = b"\x89PNG" if rng.randint(2) else bytes(1 << 20)
    try:
        with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(names[rng.randint(len(names))]), content, zipfile.ZIP_DEFLATED)
    except (zipfile.BadZipFile, ValueError):
        return data
    return whole.getvalue()


def _chunks(data: bytes) -> Any:
    at = len(PNG)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _png(chunks: Any) -> bytes:
    parts = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return PNG + b"".join(parts)


def _all(data: bytes, mark: bytes) -> list[int]:
    places, at = [], data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


def _nested(depth: int) -> Any:
    found: Any = 0
    for _ in range(depth):
        found = [found]
    return found


def _spelled(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
