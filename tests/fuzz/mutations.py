"""Damages files: bytes of any kind, and what formats say in their headers. One number, one file, for ever."""

import functools
import io
import pickletools
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.fuzz import structures

PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
STRUCTURE = 3000  # bytes at either end, where formats say what is in between

Random = np.random.RandomState
Change = Callable[[bytes, Random], bytes]


def unchanged(data: bytes, _rng: Random) -> bytes:
    return data


def truncated(data: bytes, rng: Random) -> bytes:
    return data[: rng.randint(len(data))]


def flip(data: bytes, places: Any, rng: Random) -> bytes:
    """One bit at each of the places."""
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 1 << rng.randint(8)
    return bytes(changed)


def flipped(data: bytes, rng: Random) -> bytes:
    return flip(data, rng.randint(len(data), size=rng.randint(1, 9)), rng)


def flipped_at_an_end(data: bytes, rng: Random) -> bytes:
    places = rng.randint(min(len(data), STRUCTURE), size=rng.randint(1, 9))
    return flip(data, places if rng.randint(2) else len(data) - 1 - places, rng)


def overwritten(data: bytes, rng: Random) -> bytes:
    begin, noise = rng.randint(len(data)), rng.bytes(rng.randint(1, 200))
    return data[:begin] + noise + data[begin + len(noise) :]


def moved(data: bytes, rng: Random) -> bytes:
    begin, source = rng.randint(len(data), size=2)
    length = rng.randint(1, 64)
    return data[:begin] + data[source : source + length] + data[begin + rng.randint(2) * length :]


def huge(data: bytes, rng: Random) -> bytes:
    """Eight bytes of ones: a length or a place far outside."""
    begin = rng.randint(min(len(data), STRUCTURE))
    width = 1 << rng.randint(4)
    return data[:begin] + b"\xff" * width + data[begin + width :]


def other_digits(data: bytes, rng: Random) -> bytes:
    """One digit of a header becomes another: a shape, a place or a version."""
    digits = [place for place, byte in enumerate(data[:STRUCTURE]) if 48 <= byte <= 57]
    changed = bytearray(data)
    for place in rng.choice(digits, size=rng.randint(1, 4)) if digits else []:
        changed[place] = 48 + rng.randint(10)
    return bytes(changed)


def other_instructions(data: bytes, rng: Random) -> bytes:
    """Bits of a pickle's instructions, or of the numbers behind them, flipped; much of it is otherwise tensors."""
    places = np.asarray(instructions(data))
    near = rng.choice(places, size=rng.randint(1, 4)) + rng.randint(5)
    return flip(data, near[near < len(data)], rng)


@functools.cache
def instructions(data: bytes) -> Sequence[int]:
    """Where the instructions of a pickle are; of another file, its first bytes."""
    if not data.startswith(PICKLES):
        return range(min(len(data), STRUCTURE))
    return [place for _, _, place in pickletools.genops(data) if place is not None]


def noise(data: bytes, rng: Random) -> bytes:
    """Random bytes behind the first ones of a known format, or behind none."""
    return data[: rng.randint(33) * rng.randint(2)] + rng.bytes(rng.randint(2000))


def repacked(data: bytes, rng: Random) -> bytes:
    """A zip with sound checksums, in which one record was damaged or left out; other files are truncated."""
    if not data.startswith(b"PK"):
        return truncated(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    names = sorted(records)
    telling = [name for name in names if name.endswith("data.pkl")] or names
    name = names[rng.randint(len(names))] if rng.randint(2) else telling[0]
    change = ALONE[rng.randint(len(ALONE))]
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for other, content in records.items():
            archive.writestr(other, change(content, rng) if other == name and content else content)
    return whole.getvalue()


def restructured(data: bytes, rng: Random) -> bytes:
    """What the file's format says of itself, changed in a sound file: a header, a chunk, a list of entries, a value."""
    change = structures.change_of(data)
    return flipped_at_an_end(data, rng) if change is None else change(data, rng)


ALONE: list[Change] = [truncated, flipped, flipped_at_an_end, overwritten, moved, huge, noise]
CHANGES: list[Change] = [*ALONE, other_digits, other_instructions, repacked, unchanged, *[restructured] * 11]


def damaged(samples: Mapping[str, bytes], index: int) -> tuple[str, str, bytes]:
    """The file of that number: its sample, how it was changed, and its bytes; every group of samples comes as often."""
    rng = Random([7, index])
    groups = sorted({name.partition(" ")[0] for name in samples})
    group = groups[rng.randint(len(groups))]
    names = sorted(name for name in samples if name.partition(" ")[0] == group)
    name = names[rng.randint(len(names))]
    change = CHANGES[rng.randint(len(CHANGES))]
    return name, change.__name__, change(samples[name], rng)
