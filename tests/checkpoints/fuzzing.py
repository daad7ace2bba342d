"""Gives damaged files to every reader, in a process that may die of it; `test_fuzz.py` starts it and judges.

python -m tests.checkpoints.fuzzing FOLDER FIRST COUNT takes FOLDER/samples, and prints what happened as JSON.
"""

import contextlib
import faulthandler
import functools
import io
import json
import os
import pickletools
import resource
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from lfsgan_cli import basefile, taskfile
from lfsgan_cli.basefile import Base
from lfsgan_cli.checkpoints import lfsgan, reading
from lfsgan_cli.checkpoints.found import Checkpoint
from lfsgan_cli.errors import LfsganError
from lfsgan_cli.jobs.taskfiles import begin_import
from lfsgan_cli.workspace import Workspace

PATIENCE = 20  # seconds for one file; the slowest undamaged one takes a tenth of one, but machines can be busy
MEMORY = 1 << 30  # bytes beyond what the process has once all is imported; the largest sample has three million
LONGEST = 1000  # characters of a message
STRUCTURE = 3000  # bytes at either end, where formats say what is in between

FORBIDDEN = (
    "compile", "ctypes.", "exec", "import", "os.exec", "os.fork", "os.posix_spawn", "os.putenv", "os.remove",
    "os.rename", "os.spawn", "os.system", "pty.spawn", "shutil.", "socket.", "subprocess.Popen",
)  # fmt: skip
# Python evaluates the annotations of an adapter's options, which are ours; the file is read by then.
ALLOWED = {"import of a task": ("compile", "exec")}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

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
    if not data.startswith(b"\x80"):
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
    name = names[rng.randint(len(names))] if rng.randint(2) else next(n for n in names if n.endswith("data.pkl"))
    change = ALONE[rng.randint(len(ALONE))]
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for other, content in records.items():
            archive.writestr(other, change(content, rng) if other == name and content else content)
    return whole.getvalue()


ALONE: list[Change] = [truncated, flipped, flipped_at_an_end, overwritten, moved, huge, noise]
CHANGES: list[Change] = [*ALONE, other_digits, other_instructions, repacked, unchanged]


def damaged(samples: Mapping[str, bytes], index: int) -> tuple[str, bytes]:
    """The file of that number, and how it was made; the same for ever."""
    rng = Random([6, index])
    name = sorted(samples)[rng.randint(len(samples))]
    change = CHANGES[rng.randint(len(CHANGES))]
    return f"{index}: {name} {change.__name__}", change(samples[name], rng)


def readers(workspace: Workspace) -> dict[str, Callable[[Path], object]]:
    """Whatever takes a file of a user's, with what the next step would look at."""
    return {
        "base": lambda path: touch(basefile.read(path)),
        "base header": basefile.read_summary,
        "task": lambda path: touch(taskfile.read(path)),
        "task header": taskfile.read_summary,
        "checkpoint": lambda path: touch(reading.read(path)),
        "published task": lambda path: touch(lfsgan.read(path).tensors),
        "import of a task": lambda path: touch(
            begin_import(workspace, path, "cats", activation=True, overwrite=False).adapter
        ),
    }


def touch(found: object) -> None:
    """Look at every number: a mapped file that is shorter than it says would end the process here."""
    for tensor in _tensors(found):
        tensor.double().sum().item()


def _tensors(found: object) -> Iterator[Tensor]:
    match found:
        case Tensor():
            yield found
        case Mapping() | tuple():
            for value in found.values() if isinstance(found, Mapping) else found:
                yield from _tensors(value)
        case Base(average=network) | (nn.Module() as network):
            yield from network.state_dict().values()
        case Checkpoint():
            yield from _tensors((found.average, found.live, found.discriminator, found.w_mean))
        case _:
            pass


class Watch:
    """What the interpreter was asked to do while a reader was at work."""

    def __init__(self) -> None:
        self.on = False
        self.allowed: tuple[str, ...] = ()
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextlib.contextmanager
    def over(self, reader: str) -> Iterator[None]:
        """While a reader is at work."""
        self.on, self.allowed = True, ALLOWED.get(reader, ())
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self.on = False

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event in self.allowed:
            return
        if event.startswith(FORBIDDEN) or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        ):
            self.on = False  # what the note itself takes is not the reader's
            self.seen.append(f"{event} {arguments!r:.200}")
            self.on = True


def limit_memory() -> None:
    """Refuse to hand out much more than what there is; where that cannot be told, the machine's memory is the limit."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


def judged(read: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """'read', 'refused' or 'failed', and what was said."""
    try:
        read(path)
    except LfsganError as error:
        said = str(error)
        return ("refused", said) if "\n" not in said and len(said) <= LONGEST else ("failed", f"said {said!r:.2000}")
    except BaseException as error:  # noqa: BLE001 - that is the question
        return "failed", f"{type(error).__name__}: {error}"
    return "read", ""


def main(folder: Path, first: int, count: int) -> dict[str, Any]:
    """Read the files `first` … in turn."""
    samples = {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}
    workspace = Workspace(folder / "workspace")
    tried, watch, path = readers(workspace), Watch(), folder / f"damaged{first}"
    for sample in sorted((folder / "samples").iterdir()):  # whatever is imported late is imported now
        for read in tried.values():
            judged(read, sample)
    limit_memory()
    counts: Counter[str] = Counter()
    failures: list[str] = []
    for index in range(first, first + count):
        label, data = damaged(samples, index)
        path.write_bytes(data)
        for name, read in tried.items():
            with watch.over(name):
                verdict, said = judged(read, path)
            counts[f"{name} {verdict}"] += 1
            if verdict == "failed":
                failures.append(f"{label}, {name}: {said}")
    return {"files": count, "counts": counts, "failures": failures, "executed": watch.seen}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201 - for the test
